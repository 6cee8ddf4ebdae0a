"""A child process with dbt in it."""

import contextlib
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, Queue
from typing import IO, Any, Self

from runner.engine.job import Event, Job, Node, Outcome
from runner.settings import Settings

# Between SIGTERM and SIGKILL.
GRACE_SECONDS = 5.0


class Worker:
    """A child process with dbt in it. Use as a context manager; it ends with the block."""

    def __init__(self, settings: Settings, log_path: Path) -> None:
        self._settings = settings
        self._log_path = log_path
        with contextlib.ExitStack() as stack:
            stderr: IO[bytes] | int = subprocess.DEVNULL
            if _takes_a_log(log_path, "dbt.stderr.log"):
                stderr = stack.enter_context((log_path / "dbt.stderr.log").open("ab"))
            self._process = subprocess.Popen(
                [sys.executable, "-m", "runner.engine.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                cwd=settings.project_dir,
                env={
                    **settings.environ,
                    "WAREHOUSE_DIR": str(settings.warehouse_dir),
                    "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
                    "DO_NOT_TRACK": "1",
                    "PYTHONUNBUFFERED": "1",
                },
                # Ctrl-C must reach only the parent, which then stops the child.
                start_new_session=True,
            )
        self._lines: Queue[bytes | None] = Queue()
        threading.Thread(target=self._pump, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    @property
    def is_alive(self) -> bool:
        """Whether it can be given another job."""
        return self._process.poll() is None

    def warm_up(self) -> None:
        """Make it import dbt now, for any tenant's job."""
        with contextlib.suppress(BrokenPipeError, ValueError):  # the first job reports the error
            self._send(Job("none", ()))

    def run(
        self,
        job: Job,
        on_event: Callable[[Event], None] = lambda event: None,
        timeout: float = 1200,
        on_tick: Callable[[], None] = lambda: None,
        tick_seconds: float = 1.0,
        began: float | None = None,
    ) -> Outcome:
        """Run one job to its end. A dead child and a timeout are outcomes, not exceptions.

        `on_tick` is called about every `tick_seconds`; an exception that it raises ends the job.
        `began`: the monotonic second from which the timeout counts, now if None.
        """
        # Monotonic: a change of the clock ends no run.
        next_tick = time.monotonic() + tick_seconds
        deadline = (began or time.monotonic()) + timeout
        try:
            self._send(job)
        except (BrokenPipeError, ValueError):  # it exited, or was stopped
            return self._died()
        while True:
            now = time.monotonic()
            if now >= next_tick:
                on_tick()
                next_tick = time.monotonic() + tick_seconds
            if now >= deadline:
                self.stop()
                return Outcome(False, f"timed out after {timeout / 60:g} min")
            try:
                line = self._lines.get(timeout=max(0.0, min(deadline, next_tick) - now))
            except Empty:
                continue
            if line is None or not line.endswith(b"\n"):  # it was killed, maybe within a line
                return self._died()
            message = json.loads(line)
            kind = message.pop("event")
            if kind == "result":
                return _outcome(message)
            on_event(Event(kind, **message))

    def stop(self) -> None:
        """End the child: by SIGTERM, so that dbt cancels its queries, then by SIGKILL."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                with contextlib.suppress(OSError):
                    stream.close()

    def _pump(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def _send(self, job: Job) -> None:
        assert self._process.stdin
        target = self._settings.target({"tenant_id": job.tenant_id})
        folder = self._settings.dbt_target_dir / "tenants" / job.tenant_id
        log_path = job.log_path or self._log_path
        level = self._settings.environ.get("RUNNER_DBT_LOG_LEVEL") or "info"
        if not _takes_a_log(log_path, "dbt.log"):
            log_path, level = folder, "none"
        request = {
            "command": list(job.command),
            "tenant_id": job.tenant_id,
            "vars": dict(job.vars),
            "project_dir": str(self._settings.project_dir),
            "profiles_dir": str(self._settings.profiles_path.parent),
            "target": target.name,
            "adapter": target.type,
            "target_path": str(folder / target.name),
            "log_path": str(log_path),
            "log_level": level,
            "environ": {
                "WAREHOUSE_DIR": str(self._settings.warehouse_dir),
                **self._settings.environ_as(job.account),
                **job.environ,
            },
        }
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()

    def _died(self) -> Outcome:
        code = self._process.wait()
        how = f"was killed by {_signal_name(-code)}" if code < 0 else f"ended with exit code {code}"
        log = self._log_path / "dbt.stderr.log"
        return Outcome(False, f"the dbt process {how}: see {log}")


def _takes_a_log(folder: Path, name: str) -> bool:
    """Whether that log can be opened; dbt would not start with a log that cannot."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).open("ab").close()
    except OSError:
        return False
    return True


def _signal_name(number: int) -> str:
    name = signal.Signals(number).name
    return f"{name} (out of memory?)" if name == "SIGKILL" else name


def _outcome(message: dict[str, Any]) -> Outcome:
    times = ("started_at", "completed_at")
    nodes = tuple(
        Node(**{**node, **{name: _timestamp(node[name]) for name in times}})
        for node in message.get("nodes", [])
    )
    first = next((node for node in nodes if node.failed), None)
    error = message["error"] or (f"{first.name}: {first.message}" if first else None)
    if not message["success"] and error is None:
        error = "dbt failed without a message: see its log"
    return Outcome(message["success"], None if message["success"] else error, nodes)


def _timestamp(text: str | None) -> datetime | None:
    """A timestamp of dbt's, which is UTC without a zone."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC) if text else None
