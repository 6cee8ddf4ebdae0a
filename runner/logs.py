"""The logs: JSON lines, one file for all commands and one per run; secrets never stand in them.

A line that cannot be written is lost: a log never decides how a command ends.
"""

import contextlib
import fcntl
import json
import logging
import logging.handlers
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path

from runner.settings import Settings

_context: ContextVar[dict[str, str] | None] = ContextVar("log_context", default=None)
_SECRET_NAMES = ("PASS", "SECRET", "TOKEN", "API_KEY", "PRIVATE_KEY")
KEEP_RUN_LOGS_DAYS = 30
LOG_BYTES = 5_000_000


class JsonLines(logging.Formatter):
    """One JSON object a record: time, level, what, where, the run's context and any traceback."""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        super().__init__()
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        document = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
            "pid": record.process,
            **(_context.get() or {}),
            **{key: value for key in ("step", "event") if (value := getattr(record, key, None))},
        }
        if record.exc_info:
            document["traceback"] = self.formatException(record.exc_info)
        # As JSON writes them: a secret with a quote in it looks otherwise.
        secrets = (json.dumps(secret, ensure_ascii=False)[1:-1] for secret in self._secrets)
        return _blotted(json.dumps(document, ensure_ascii=False, default=str), secrets)


class PlainLines(logging.Formatter):
    """One line a record, and its traceback, for people."""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        super().__init__("%(levelname)s %(name)s: %(message)s")
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        return _blotted(super().format(record), self._secrets)


class _NeverRaises(logging.Handler):
    """Loses what it cannot write, such as on a full disk, where logging would raise at its end."""

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(OSError):
            super().emit(record)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            super().close()


class _Log(_NeverRaises, logging.FileHandler):
    """The log of a run."""


class _CommonLog(_NeverRaises, logging.handlers.WatchedFileHandler):
    """The log of all commands, which may begin anew meanwhile."""


def _blotted(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, "***")
    return text


def setup(settings: Settings, verbose: bool = False) -> Path:
    """Begin the log of this command, anew after 5 MB; its path. `verbose` shows it on stderr too.

    Without a folder that can be written the command goes on, and says so on stderr.
    """
    path = settings.log_dir / "runner.jsonl"
    handler: logging.Handler = logging.NullHandler()
    try:
        _rotate(path)
        handler = _CommonLog(path, encoding="utf-8")
    except OSError as error:
        sys.stderr.write(
            f"WARNING: no log is written, as {settings.log_dir} cannot be written"
            f" ({error.strerror}): mend it, or name another folder with RUNNER_LOG_DIR.\n"
        )
    handler.setFormatter(JsonLines(_secrets(settings)))
    logging.raiseExceptions = False
    logger = logging.getLogger("runner")
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    if verbose:
        shown = logging.StreamHandler(sys.stderr)
        shown.setFormatter(PlainLines(_secrets(settings)))
        logger.addHandler(shown)
    return path


def rotate(settings: Settings) -> None:
    """Begin the log anew where it is large: for who runs longer than a command does."""
    _rotate(settings.log_dir / "runner.jsonl")


def _rotate(path: Path) -> None:
    """Begin a large log anew: one command at a time, and those that write follow to the new file.

    Each rotating it for itself, as a RotatingFileHandler does, several would push whole files out.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists() and path.stat().st_size > LOG_BYTES:
            old = logging.handlers.RotatingFileHandler(path, backupCount=5, delay=True)
            old.doRollover()
            old.close()


@contextlib.contextmanager
def of_run(settings: Settings, run_id: str, tenant_id: str) -> Iterator[None]:
    """Give every line the run's id and tenant, and the run a log file of its own."""
    folder = settings.log_dir / "runs" / run_id
    logger = logging.getLogger("runner")
    token = _context.set({"run_id": run_id, "tenant_id": tenant_id})
    handler: logging.Handler = logging.NullHandler()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handler = _Log(folder / "run.jsonl", encoding="utf-8")
        handler.setFormatter(JsonLines(_secrets(settings)))
        # Runs of other tenants may go on in other threads.
        handler.addFilter(lambda record: (_context.get() or {}).get("run_id") == run_id)
    except OSError as error:
        logger.warning("the run has no log of its own: %s", error)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()
        _context.reset(token)
        _prune(settings.log_dir / "runs")


@contextlib.contextmanager
def of_request(request_id: str) -> Iterator[None]:
    """Give every line of a request to the service its id."""
    token = _context.set({"request_id": request_id})
    try:
        yield
    finally:
        _context.reset(token)


_pruned = 0.0


def _prune(runs: Path) -> None:
    """Forget the logs of runs that ended long ago; looked for once an hour in a process."""
    global _pruned
    if _pruned and time.monotonic() < _pruned + 3600:
        return
    _pruned = time.monotonic()
    oldest = time.time() - KEEP_RUN_LOGS_DAYS * 86_400
    with contextlib.suppress(OSError):
        for folder in runs.iterdir():
            if folder.stat().st_mtime < oldest:
                shutil.rmtree(folder, ignore_errors=True)


def _secrets(settings: Settings) -> tuple[str, ...]:
    """The values of the environment's secrets, to be blotted out wherever they turn up."""
    return tuple(
        value
        for name, value in settings.environ.items()
        if len(value) >= 4 and any(word in name.upper() for word in _SECRET_NAMES)
    )
