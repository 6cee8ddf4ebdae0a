"""Warm dbt processes: lent for one job at a time, kept for the next."""

import contextlib
import threading
from collections.abc import Iterator

from runner.engine.process import Worker
from runner.settings import Settings


class Pool:
    """One dbt process for each job at work, kept for later jobs. A context manager ends them.

    Thread-safe: each thread borrows a process of its own.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._log_path = settings.log_dir / "dbt"
        self._idle: list[Worker] = []
        self._all: set[Worker] = set()
        self._lock = threading.Lock()

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def warm_up(self) -> None:
        """Start a process for the next job if none is idle, without waiting for it."""
        with self._lock:
            self._make_ready()

    def _make_ready(self) -> None:
        # An idle process may have died, such as when the machine ran out of memory.
        self._idle = [worker for worker in self._idle if worker.is_alive]
        if not self._idle:
            worker = Worker(self._settings, self._log_path)
            self._all.add(worker)
            self._idle.append(worker)
            worker.warm_up()

    @contextlib.contextmanager
    def lend(self) -> Iterator[Worker]:
        """A process for one job. It is not kept when it died or the job was interrupted."""
        with self._lock:
            self._make_ready()
            worker = self._idle.pop()
        try:
            yield worker
        except BaseException:
            worker.stop()
            raise
        finally:
            with self._lock:
                (self._idle.append if worker.is_alive else self._all.discard)(worker)

    def close(self) -> None:
        """End all processes."""
        with self._lock:
            workers, self._all, self._idle = self._all, set(), []
        for worker in workers:
            worker.stop()
