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
# DuckDB's message about a file that another process, or another engine of this one, has open.
IN_USE = re.compile("Could not set lock|Unique file handle conflict")
# A longer wait is reported.
SECONDS_IN_SILENCE = 0.5

# One a file, for the threads of this process: DuckDB refuses a file opened both ways.
_THREADS: dict[Path, threading.Lock] = {}


class Opening:
    """One opening of a file, which is waited for until `patience_seconds` from now."""

    def __init__(self, path: Path, patience_seconds: float) -> None:
        self._path = path
        self._seconds = patience_seconds
        self._deadline = time.monotonic() + patience_seconds

    @contextmanager
    def one_thread(self) -> Iterator[None]:
        """Keep other threads out. Raises WarehouseUnreachable when one has the file too long."""
        lock = _THREADS.setdefault(self._path, threading.Lock())
        if not lock.acquire(timeout=self._seconds):
            raise WarehouseUnreachable(f"{self._path} is busy: try again in a moment.")
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def gate(self, read_only: bool) -> Iterator[None]:
        """Keep other commands out from before the file is opened until after it is closed.

        DuckDB's own lock is not enough: of two processes that write one after the other, the
        second may open the file while the first is still tidying up, and miss what it wrote
        (seen once in about 200 claims; DECISIONS has the measurement).
        """
        try:
            file = self._path.with_suffix(".gate").open("a")
        except OSError as error:
            if not read_only:
                raise unreachable(self._path, error) from error
            yield  # a warehouse that no process can write has nothing to wait for
            return
        with file:
            while not locked(file, fcntl.LOCK_SH if read_only else fcntl.LOCK_EX):
                if time.monotonic() > self._deadline:
                    raise WarehouseUnreachable(
                        f"{self._path} is in use by another command for over"
                        f" {self._seconds:.0f} s: wait for that, or end it."
                    )
                time.sleep(random.uniform(0.002, 0.02))
            yield

    def when_free(
        self,
        open_it: Callable[[], Opened],
        on_wait: OnWait | None = None,
        poll_seconds: float = 1.0,
    ) -> Opened:
        """Open the file once no other process has it; call `on_wait` at once, and again and again.

        Without one a wait that is longer than programs of ours take is reported once.
        """
        import duckdb

        next_report = time.monotonic() + (0.0 if on_wait else SECONDS_IN_SILENCE)
        while True:
            try:
                return open_it()
            except duckdb.Error as error:
                if not IN_USE.search(str(error)):
                    raise unreachable(self._path, error) from error
                found = re.search(r"PID (\d+)", str(error))
                holder = f"process {found.group(1)}" if found else "its process is not known"
                held, seconds = f"{self._path} is held open by another program", self._seconds
                if time.monotonic() > self._deadline:
                    raise WarehouseUnreachable(
                        f"{held} for over {seconds:.0f} s ({holder}): close that first."
                    ) from error
            if time.monotonic() >= next_report:
                message = f"{held} ({holder}): waiting up to {seconds:.0f} s for it"
                if on_wait:
                    on_wait(message)
                else:
                    sys.stderr.write(f"{message}\n")
                next_report = time.monotonic() + poll_seconds if on_wait else math.inf
            time.sleep(random.uniform(0.005, 0.05))


def locked(file: IO[str], how: int) -> bool:
    """Whether the kernel gave the lock; it never waits for it."""
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
