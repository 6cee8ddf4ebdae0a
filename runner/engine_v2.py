"""dbt v2, the engine that is an executable: a process for each job, heard by its JSON log.

Stands where invoke.Worker does, with the same answers, when RUNNER_DBT names one.
"""

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import Empty, Queue
from typing import Any

from runner.invoke import Engine, Event, Job, Outcome, dbt_environ, ended, timed_out
from runner.settings import Settings
from runner.story import Story

# dbt-duckdb waits so long for a file that another program has open; dbt v2 does not wait.
SECONDS_FOR_A_FILE = 31.0
_FILE_IS_OPEN = "Could not set lock on file"
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


class Executable(Engine):
    """The dbt v2 executable of RUNNER_DBT. Use as a context manager; no process outlives it."""

    def __init__(self, settings: Settings, log_path: Path) -> None:
        self._settings = settings
        self._log_path = log_path
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_alive(self) -> bool:
        """Always: each job has a process of its own."""
        return True

    def warm_up(self) -> None:
        """Nothing is to be made ready."""

    def run(
        self,
        job: Job,
        on_event: Callable[[Event], None] = lambda event: None,
        timeout: float = 1200,
        on_tick: Callable[[], None] = lambda: None,
        tick_seconds: float = 1.0,
        began: float | None = None,
    ) -> Outcome:
        """Run one job to its end, as invoke.Worker.run does."""
        now = time.monotonic()
        deadline, file_until = (began or now) + timeout, now + SECONDS_FOR_A_FILE
        self._settings.dbt_target_dir.mkdir(parents=True, exist_ok=True)
        while True:
            # A folder of its own: what another job left is never taken for this one's.
            with tempfile.TemporaryDirectory(
                prefix="v2-", dir=self._settings.dbt_target_dir, ignore_cleanup_errors=True
            ) as folder:
                outcome = self._once(job, Path(folder), on_event, deadline, on_tick, tick_seconds)
            if outcome is None:
                return timed_out(timeout)
            if _FILE_IS_OPEN not in (outcome.error or "") or time.monotonic() > file_until:
                return outcome
            on_tick()
            time.sleep(0.5)

    def _once(
        self,
        job: Job,
        folder: Path,
        on_event: Callable[[Event], None],
        deadline: float,
        on_tick: Callable[[], None],
        tick_seconds: float,
    ) -> Outcome | None:
        """One process to its end; None when the time was over first."""
        lines, story = self._start(job, folder), Story()
        next_tick = time.monotonic() + tick_seconds
        try:
            while True:
                now = time.monotonic()
                if now >= next_tick:
                    on_tick()
                    next_tick = time.monotonic() + tick_seconds
                if now >= deadline:
                    return None
                try:
                    line = lines.get(timeout=max(0.0, min(deadline, next_tick) - now))
                except Empty:
                    continue
                if line is None:
                    break
                event = story.hear(line)
                if story.version.startswith("1."):
                    told = f"RUNNER_DBT names dbt {story.version}, not dbt v2: unset it."
                    return Outcome(False, told)
                if event is not None:
                    on_event(event)
            assert self._process is not None
            code = self._process.wait()
        finally:
            # Before its folder goes, whatever ended the wait.
            self.stop()
        if code < 0 or not story.version:
            return Outcome(False, ended(code, self._log_path / "dbt.stderr.log"))
        return story.outcome(code == 0, folder, job.command[0] == "compile")

    def _start(self, job: Job, folder: Path) -> "Queue[bytes | None]":
        settings = self._settings
        shown = {"tenant_id": job.tenant_id, **job.shape_vars, **job.vars}
        command = [
            *(str(settings.dbt_executable), *job.command, "--vars", json.dumps(shown)),
            *("--project-dir", str(settings.project_dir)),
            *("--profiles-dir", str(settings.profiles_path.parent)),
            *("--target", settings.target({"tenant_id": job.tenant_id}).name),
            *("--target-path", str(folder), "--log-path", str(job.log_path or self._log_path)),
            # Beside it go dbt's own macros, which else are written into the project.
            *("--packages-install-path", str(folder / "dbt_packages")),
            *("--log-format", "json", "--no-version-check", "--no-send-anonymous-usage-stats"),
        ]
        self._log_path.mkdir(parents=True, exist_ok=True)
        with (self._log_path / "dbt.stderr.log").open("ab") as stderr:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                cwd=settings.project_dir,
                env={**dbt_environ(settings), **job.environ},
                # Ctrl-C is for the parent, which then ends the child in order.
                start_new_session=True,
                preexec_fn=_die_with_the_parent,
            )
        assert self._process.stdout
        lines: Queue[bytes | None] = Queue()
        threading.Thread(target=_pump, args=(self._process.stdout, lines), daemon=True).start()
        return lines

    def stop(self, grace_seconds: float = 5.0) -> None:
        """End the process: politely first, so that dbt cancels its queries, then for good."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        # The whole session: RUNNER_DBT may be a script that starts dbt.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace_seconds)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def version_of(executable: Path) -> str:
    """What `--version` says. Raises OSError or SubprocessError when it cannot be asked."""
    answer = subprocess.run(
        [str(executable), "--version"], capture_output=True, text=True, timeout=60, check=True
    )
    return answer.stdout + answer.stderr


def _pump(stdout: Any, lines: "Queue[bytes | None]") -> None:
    with stdout:
        for line in stdout:
            lines.put(line)
    lines.put(None)


def _die_with_the_parent() -> None:
    """Where the kernel can: a killed runner leaves no dbt that goes on writing.

    It holds for the thread that starts dbt, which waits for its end. Nothing here takes a lock.
    """
    if _LIBC is not None:
        _LIBC.prctl(1, signal.SIGKILL)
