"""Waiting for a DuckDB file that another process, or another thread of this one, has open."""

import fcntl
import math
import random
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TypeVar

from runner.dataset.dataset import OnWait
from runner.dataset.session import unreachable
from runner.errors import WarehouseUnreachable

Opened = TypeVar("Opened")
# DuckDB's message about a file that another process, or another engine in this process, has open.
IN_USE = re.compile("Could not set lock|Unique file handle conflict")
# A wait longer than this is reported.
SILENT_SECONDS = 0.5

# By file, for threads: DuckDB refuses a file that another thread has open in another mode.
_THREADS: dict[Path, threading.Lock] = {}


class Opening:
    """One attempt to open a file, with a deadline `patience_seconds` from now."""

    def __init__(self, path: Path, patience_seconds: float) -> None:
        self._path = path
        self._seconds = patience_seconds
        self._deadline = time.monotonic() + patience_seconds

    @contextmanager
    def one_thread(self) -> Iterator[None]:
        """Exclude other threads. Raises WarehouseUnreachable at the end of the patience."""
        lock = _THREADS.setdefault(self._path, threading.Lock())
        if not lock.acquire(timeout=self._seconds):
            raise WarehouseUnreachable(f"{self._path} is busy: try again in a few seconds.")
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def gate(self, read_only: bool) -> Iterator[None]:
        """Exclude other commands from before the file is opened until after it is closed.

        DuckDB's own lock is not enough: a process may open the file while the one that wrote it
        is still closing it, and then does not read what was written (measured: once in about 200
        claims, see DECISIONS).
        """
        try:
            file = self._path.with_suffix(".gate").open("a")
        except OSError as error:
            if not read_only:
                raise unreachable(self._path, error) from error
            yield  # a read-only warehouse: no process writes it
            return
        with file:
            while not locked(file, fcntl.LOCK_SH if read_only else fcntl.LOCK_EX):
                if time.monotonic() > self._deadline:
                    raise WarehouseUnreachable(
                        f"{self._path} has been in use by another command for over"
                        f" {self._seconds:.0f} s: wait for that command, or end it."
                    )
                time.sleep(random.uniform(0.002, 0.02))
            yield

    def when_free(
        self,
        open_it: Callable[[], Opened],
        on_wait: OnWait | None = None,
        poll_seconds: float = 1.0,
    ) -> Opened:
        """Open the file once no other process has it; meanwhile call `on_wait` repeatedly.

        Without `on_wait`, a wait longer than SILENT_SECONDS is reported once on stderr.
        """
        import duckdb

        next_report = time.monotonic() + (0.0 if on_wait else SILENT_SECONDS)
        while True:
            try:
                return open_it()
            except duckdb.Error as error:
                if not IN_USE.search(str(error)):
                    raise unreachable(self._path, error) from error
                found = re.search(r"PID (\d+)", str(error))
                holder = f"process {found.group(1)}" if found else "unknown process"
                seconds = f"{self._seconds:.0f} s"
                if time.monotonic() > self._deadline:
                    raise WarehouseUnreachable(
                        f"{self._path} has been open in another program for over {seconds}"
                        f" ({holder}): close that program and try again."
                    ) from error
            if time.monotonic() >= next_report:
                message = f"{self._path} is open in another program ({holder})"
                message += f": waiting up to {seconds}"
                if on_wait:
                    on_wait(message)
                else:
                    sys.stderr.write(f"{message}\n")
                next_report = time.monotonic() + poll_seconds if on_wait else math.inf
            time.sleep(random.uniform(0.005, 0.05))


def locked(file: IO[str], how: int) -> bool:
    """Take the kernel's lock without waiting; returns whether it was free."""
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
