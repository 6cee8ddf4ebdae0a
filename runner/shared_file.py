"""One DuckDB file that the threads of a process have open together, while any of them wants it."""

import contextlib
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

log = logging.getLogger(__name__)

# One for each processor, and one that waits for the disk: more would only wait for each other.
MOST_AT_ONCE = (os.cpu_count() or 1) + 1
# What a thread does next is mostly not long in coming.
IDLE_SECONDS = 0.05
# Other commands look at the gate this often at least.
PAUSE_SECONDS = 0.02


class SharedFile:
    """Opening and closing costs more than a claim, so it is opened once for many transactions.

    Each has a connection of its own. It is closed when another command wants it, when nobody here
    does, after a while and after any error.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Whoever waits, in the order they came; each is woken when it is first.
        self._waiting: deque[threading.Condition] = deque()
        self._open: contextlib.ExitStack | None = None
        self._free: list[duckdb.DuckDBPyConnection] = []
        self._connect: Callable[[], duckdb.DuckDBPyConnection]
        self._users = 0
        self._opens_or_closes = self._takes_no_more = self._gives_way = False
        self._since = self._used_at = 0.0

    @property
    def is_open(self) -> bool:
        """Whether this process has the file."""
        return self._open is not None

    @contextmanager
    def used(
        self,
        opened: "Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]]",
        prepare: "Callable[[duckdb.DuckDBPyConnection], None]",
        patience_seconds: float,
        keep_open_seconds: float,
        is_wanted: Callable[[], bool] = lambda: False,
    ) -> "Iterator[duckdb.DuckDBPyConnection]":
        """A connection to the file for one transaction. Raises TimeoutError when none comes free.

        `opened` opens the file for this process, `prepare` gets each new connection, `is_wanted`
        tells whether another command waits for the file.
        """
        connection = self._begun(opened, patience_seconds)
        try:
            if connection is None:
                connection = self._connect()
                prepare(connection)
            yield connection
        except BaseException:
            if connection is not None:
                connection.close()
            self._end(None, is_over=True)
            raise
        self._gives_way |= is_wanted()
        is_over = self._gives_way or time.monotonic() - self._since >= keep_open_seconds
        self._end(connection, is_over)

    def _begun(
        self,
        opened: "Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]]",
        patience_seconds: float,
    ) -> "duckdb.DuckDBPyConnection | None":
        """Become a user of the open file: with a connection, or None to make one."""
        with self._lock:
            self._await_turn(self._may_begin, patience_seconds)
            self._users += 1
            self._wake_first()
            if self._open is not None:
                return self._free.pop() if self._free else None
            self._opens_or_closes = True
        stack = contextlib.ExitStack()
        try:
            self._connect = stack.enter_context(opened()).cursor
        except BaseException:
            with self._lock:
                self._users -= 1
                self._opens_or_closes = False
                self._wake_first()
            raise
        with self._lock:
            self._open, self._free = stack, []
            self._opens_or_closes = self._takes_no_more = self._gives_way = False
            self._since = time.monotonic()
            self._wake_first()
        threading.Thread(target=self._close_when_idle, args=(stack,), daemon=True).start()
        return None

    def _await_turn(self, may: Callable[[], bool], patience_seconds: float) -> None:
        """Wait, with the lock held, until those who came before have begun and one may."""
        me = threading.Condition(self._lock)
        self._waiting.append(me)
        came = me.wait_for(lambda: self._waiting[0] is me and may(), patience_seconds)
        self._waiting.remove(me)
        if not came:
            self._wake_first()
            raise TimeoutError

    def _wake_first(self) -> None:
        if self._waiting:
            self._waiting[0].notify()

    def _may_begin(self) -> bool:
        if self._opens_or_closes:
            return False
        return self._open is None or (not self._takes_no_more and self._users < MOST_AT_ONCE)

    def _end(self, connection: "duckdb.DuckDBPyConnection | None", is_over: bool) -> None:
        """Be a user no more; the last one closes the file when its time is over."""
        with self._lock:
            self._users -= 1
            self._used_at = time.monotonic()
            if connection is not None:
                self._free.append(connection)
            self._takes_no_more |= is_over
            if self._users or not self._takes_no_more:
                self._wake_first()
                return
            stack = self._closing()
        self._close(stack)

    def _closing(self) -> contextlib.ExitStack:
        """What is to be closed, by who calls this; the next user opens anew."""
        stack, self._open = self._open, None
        self._opens_or_closes = True
        assert stack is not None
        return stack

    def _close(self, stack: contextlib.ExitStack) -> None:
        try:
            while self._free:
                self._free.pop().close()
            stack.close()
        except Exception:
            # What was committed is: it is in the file or in its log, and has been answered.
            log.exception("the control file was not closed as it should be")
        finally:
            if self._gives_way and self._waiting:
                time.sleep(PAUSE_SECONDS)
            with self._lock:
                self._opens_or_closes = False
                self._wake_first()

    def _close_when_idle(self, opened: contextlib.ExitStack) -> None:
        """Close the file soon after its last use, by a thread of its own for each opening."""
        while True:
            time.sleep(IDLE_SECONDS / 2)
            with self._lock:
                if self._open is not opened:
                    return
                if self._users or time.monotonic() - self._used_at < IDLE_SECONDS:
                    continue
                stack = self._closing()
            self._close(stack)

    def close(self, patience_seconds: float) -> None:
        """Close it once nobody uses it. Raises TimeoutError when that takes longer."""
        with self._lock:
            self._takes_no_more = True
            self._await_turn(lambda: not (self._users or self._opens_or_closes), patience_seconds)
            if self._open is None:
                self._wake_first()
                return
            stack = self._closing()
        self._close(stack)
