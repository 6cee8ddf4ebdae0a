"""The logs: JSON lines, one file for all commands and one for each run, without secrets.

A line that cannot be written is lost: a log never decides how a command ends.
"""

import contextlib
import fcntl
import io
import json
import logging
import logging.handlers
import os
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path

from runner.errors import UsageProblem
from runner.settings import Settings

_context: ContextVar[dict[str, str] | None] = ContextVar("log_context", default=None)
_SECRET_NAMES = ("PASS", "SECRET", "TOKEN", "API_KEY", "PRIVATE_KEY", "ADMIN_KEY")
KEEP_RUN_LOGS_DAYS = 30
LOG_BYTES = 5_000_000
FORMATS = ("auto", "json", "text")


class JsonLines(logging.Formatter):
    """One JSON object for each record: time, severity, message, logger, context and traceback.

    Values of the environment's secrets become `***`, in `PlainLines` too.
    """

    def __init__(self, environ: Mapping[str, str], style: str | None = None) -> None:
        super().__init__(style)
        self._secrets = [
            value
            for name, value in environ.items()
            if len(value) >= 4 and any(word in name.upper() for word in _SECRET_NAMES)
        ]

    def format(self, record: logging.LogRecord) -> str:
        texts = {
            "message": record.getMessage(),
            **(_context.get() or {}),
            **{key: value for key in ("step", "event") if (value := getattr(record, key, None))},
        }
        if record.exc_info:
            texts["traceback"] = self.formatException(record.exc_info)
        # Only in values: a secret may also be a name or a number of the line, such as `time`.
        document = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "severity": record.levelname,
            "logger": record.name,
            "pid": record.process,
            **{key: _blotted(str(text), self._secrets) for key, text in texts.items()},
        }
        return json.dumps(document, ensure_ascii=False)


class PlainLines(JsonLines):
    """One line for each record, and its traceback, for people."""

    def format(self, record: logging.LogRecord) -> str:
        return _blotted(logging.Formatter.format(self, record), self._secrets)


class _Log(logging.handlers.WatchedFileHandler):
    """A file that may be rotated meanwhile. What cannot be written, as on a full disk, is lost."""

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(OSError):
            super().emit(record)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            super().close()


class Console(io.TextIOBase):
    """Standard error as JSON lines: a record for each text that ends with a line end."""

    encoding = "utf-8"

    def __init__(self, handler: logging.Handler) -> None:
        self._handler, self._begun = handler, ""

    def write(self, text: str) -> int:
        self._begun += text
        if self._begun.endswith("\n"):
            self.flush()
        return len(text)

    def flush(self) -> None:
        """Write what has begun, such as a prompt."""
        complete, self._begun = self._begun.strip(), ""
        first = complete.partition(":")[0].upper()
        level = first if first in ("ERROR", "WARNING", "CRITICAL") else "INFO"
        document = {"name": "runner.console", "msg": complete, "levelname": level}
        if complete:
            self._handler.handle(logging.makeLogRecord(document))


@contextlib.contextmanager
def console(is_job: bool) -> Iterator[None]:
    """Standard error in the format of LOG_FORMAT: JSON lines, with those of the log, or text.

    The default (auto) is JSON for a job whose standard error is not a terminal, else text.
    """
    chosen, plain = os.environ.get("LOG_FORMAT") or "auto", sys.stderr
    with contextlib.ExitStack() as stack:
        is_auto = chosen == "auto" and is_job and plain is not None and not plain.isatty()
        if plain is not None and (chosen == "json" or is_auto):
            handler, logger = logging.StreamHandler(plain), logging.getLogger("runner")
            handler.setFormatter(JsonLines(os.environ))
            logger.addHandler(handler)
            stack.callback(logger.removeHandler, handler)
            shown = stack.enter_context(contextlib.redirect_stderr(Console(handler)))
            stack.callback(shown.flush)
        yield


def _blotted(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, "***")
    return text


def setup(settings: Settings, verbose: bool = False) -> Path:
    """Open this command's log, which is rotated at 5 MB; returns its path.

    `verbose`: also log to stderr. When no log can be written, only a warning on stderr is printed.
    """
    if (chosen := settings.environ.get("LOG_FORMAT") or "auto") not in FORMATS:
        raise UsageProblem(f"LOG_FORMAT is '{chosen}': set it to one of {', '.join(FORMATS)}.")
    path = settings.log_dir / "runner.jsonl"
    logging.raiseExceptions = False
    logger = logging.getLogger("runner")
    logger.setLevel(logging.INFO)
    try:
        rotate(settings)
        handler = _Log(path, encoding="utf-8")
        handler.setFormatter(JsonLines(settings.environ))
        logger.addHandler(handler)
    except OSError as error:
        sys.stderr.write(
            f"WARNING: no log is written, as {settings.log_dir} cannot be written"
            f" ({error.strerror}): fix it, or name another folder with RUNNER_LOG_DIR.\n"
        )
        logger.addHandler(logging.NullHandler())  # without a handler, warnings go to stderr
    if verbose and not isinstance(sys.stderr, Console):
        shown = logging.StreamHandler(sys.stderr)
        shown.setFormatter(PlainLines(settings.environ, "%(levelname)s %(name)s: %(message)s"))
        logger.addHandler(shown)
    return path


def rotate(settings: Settings) -> None:
    """Rotate a large log: one command at a time; other processes then write to the new file.

    If each process rotated it, as a RotatingFileHandler does, unread files would be deleted.
    """
    path = settings.log_dir / "runner.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists() and path.stat().st_size > LOG_BYTES:
            old = logging.handlers.RotatingFileHandler(path, backupCount=5, delay=True)
            old.doRollover()
            old.close()


@contextlib.contextmanager
def of_run(settings: Settings, run_id: str, tenant_id: str) -> Iterator[None]:
    """Add the run's id and tenant to every line, and write the run's lines to its own file."""
    folder = settings.log_dir / "runs" / run_id
    logger = logging.getLogger("runner")
    with _lines_with(run_id=run_id, tenant_id=tenant_id), contextlib.ExitStack() as log:
        log.callback(_prune, folder.parent)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handler = log.enter_context(
                contextlib.closing(_Log(folder / "run.jsonl", "a", "utf-8"))
            )
            handler.setFormatter(JsonLines(settings.environ))
            # Other threads may have runs of other tenants.
            handler.addFilter(lambda record: (_context.get() or {}).get("run_id") == run_id)
            logger.addHandler(handler)
            log.callback(logger.removeHandler, handler)
        except OSError as error:
            logger.warning("the run has no log of its own: %s", error)
        yield


def of_request(request_id: str) -> contextlib.AbstractContextManager[None]:
    """Add the request's id to every line of a request."""
    return _lines_with(request_id=request_id)


@contextlib.contextmanager
def _lines_with(**fields: str) -> Iterator[None]:
    token = _context.set(fields)
    try:
        yield
    finally:
        _context.reset(token)


_pruned = 0.0


def _prune(runs: Path) -> None:
    """Delete the logs of runs that ended long ago, once an hour in a process."""
    global _pruned
    if _pruned and time.monotonic() < _pruned + 3600:
        return
    _pruned = time.monotonic()
    oldest = time.time() - KEEP_RUN_LOGS_DAYS * 86_400
    with contextlib.suppress(OSError):
        for folder in runs.iterdir():
            if folder.stat().st_mtime < oldest:
                shutil.rmtree(folder, ignore_errors=True)
