"""One DuckDB file that the threads of a process have open together, while any of them wants it."""

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

log = logging.getLogger(__name__)

# One for each processor, and one that waits for the disk: more would only wait for each other.
MOST_AT_ONCE = min(4, (os.cpu_count() or 1) + 1)
# What a thread does next is mostly not long in coming.
IDLE_SECONDS = 0.05
# So long it is kept once opened, whoever else wants it; and so long others have their turn then.
HOLD_SECONDS = 0.05
PAUSE_SECONDS = 0.02
LOOK_SECONDS = 0.005


class NotFree(Exception):
    """Nobody made place within the time that there was."""


@dataclass(eq=False)
class _Waiting:
    key: str
    told: threading.Condition


@dataclass
class _Open:
    """The file while it is open: how it is closed, and connections that nobody uses now."""

    connect: "Callable[[], duckdb.DuckDBPyConnection]"
    closing: contextlib.ExitStack
    free: "list[duckdb.DuckDBPyConnection]" = field(default_factory=list)
    takes_no_more: bool = False
    gives_way: bool = False
    next_look: float = 0.0


class SharedFile:
    """Opening and closing costs more than a claim, so it is opened once for many transactions.

    Each has a connection of its own, first come first served, but that of a key one is at work at
    a time. It is closed when another command wants it, when nobody here does and after any error.
    """

    def __init__(
        self,
        prepare: "Callable[[duckdb.DuckDBPyConnection], None]",
        is_wanted: Callable[[], bool],
    ) -> None:
        """`prepare` gets each new connection; `is_wanted` tells whether another command waits."""
        self._prepare, self._is_wanted = prepare, is_wanted
        self._lock = threading.Lock()
        self._waiting: list[_Waiting] = []
        self._users: list[str] = []  # the keys of those at work
        self._open: _Open | None = None
        self._closer: threading.Thread | None = None
        self._opens_or_closes = False
        self._not_before = self._used_at = 0.0

    @property
    def is_open(self) -> bool:
        """Whether this process has the file."""
        return self._open is not None

    @contextmanager
    def used(
        self,
        opened: "Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]]",
        patience_seconds: float,
        key: str = "",
    ) -> "Iterator[duckdb.DuckDBPyConnection]":
        """A connection for one transaction; of a key, if it has one, one at a time.

        `opened` opens the file for this process. Raises NotFree when none comes free.
        """
        self._begin(opened, patience_seconds, key)
        connection: duckdb.DuckDBPyConnection | None = None
        is_fine = False
        try:
            connection = self._connection()
            yield connection
            is_fine = True
        finally:
            if connection is not None and not is_fine:
                with contextlib.suppress(Exception):
                    connection.close()
            self._end(key, connection if is_fine else None)

    def _begin(
        self,
        opened: "Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]]",
        patience_seconds: float,
        key: str,
    ) -> None:
        """Become a user of the open file: of those who may, the first that came."""
        with self._lock:
            me = _Waiting(key, threading.Condition(self._lock))
            self._waiting.append(me)
            came = False
            try:
                came = me.told.wait_for(lambda: self._next() is me, patience_seconds)
            finally:
                self._waiting.remove(me)
                if not came:  # too late, or interrupted: it may have been told all the same
                    self._wake_next()
            if not came:
                raise NotFree
            self._users.append(key)
            self._opens_or_closes = self._open is None
            self._wake_next()
            if not self._opens_or_closes:
                return
        found: _Open | None = None
        try:
            time.sleep(max(0.0, self._not_before - time.monotonic()))
            found = self._opening(opened)
        finally:
            with self._lock:
                self._open = found
                self._opens_or_closes = False
                if found is None:
                    self._users.remove(key)
                self._wake_next()

    def _opening(
        self, opened: "Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]]"
    ) -> _Open:
        """Open the file, and see to it that it is closed again."""
        with contextlib.ExitStack() as stack:
            connect = stack.enter_context(opened()).cursor
            now = time.monotonic()
            found = _Open(connect, contextlib.ExitStack(), next_look=now + HOLD_SECONDS)
            closer = threading.Thread(target=self._close_when_idle, args=(found,), daemon=True)
            closer.start()
            self._closer = closer
            self._used_at = now
            found.closing = stack.pop_all()
        return found

    def _next(self) -> _Waiting | None:
        """Who may begin now."""
        if self._opens_or_closes:
            return None
        if self._open is not None and (
            self._open.takes_no_more or len(self._users) >= MOST_AT_ONCE
        ):
            return None
        busy = set(self._users) - {""}
        return next((one for one in self._waiting if one.key not in busy), None)

    def _wake_next(self) -> None:
        if found := self._next():
            found.told.notify()

    def _connection(self) -> "duckdb.DuckDBPyConnection":
        """One that nobody uses, or a new one."""
        found = self._open
        assert found is not None  # as long as there are users
        with contextlib.suppress(IndexError):
            return found.free.pop()
        connection = found.connect()
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _end(self, key: str, connection: "duckdb.DuckDBPyConnection | None") -> None:
        """Be a user no more. The last one closes the file when another command's turn has come."""
        with self._lock:
            found = self._open
            assert found is not None
            self._users.remove(key)
            self._used_at = time.monotonic()
            if connection is not None:
                found.free.append(connection)
            else:
                found.takes_no_more = True
            # By one at a time: two that look at once would each take the other for a command.
            if not found.takes_no_more and self._used_at >= found.next_look:
                found.takes_no_more = found.gives_way = self._is_wanted()
                found.next_look = self._used_at + LOOK_SECONDS
            if self._users or not found.takes_no_more:
                self._wake_next()
                return
            self._begin_to_close()
        self._close(found)

    def _begin_to_close(self) -> None:
        """With the lock held: nobody opens the file before it is closed."""
        self._opens_or_closes = True
        self._open = None

    def _close(self, found: _Open) -> None:
        try:
            with found.closing:
                for connection in found.free:
                    connection.close()
        except Exception as error:
            # What was committed is: it is in the file or in its log, and has been answered.
            log.warning("the control file was not closed as it should be: %s", error)
        finally:
            with self._lock:
                if found.gives_way:
                    self._not_before = time.monotonic() + PAUSE_SECONDS
                self._opens_or_closes = False
                self._wake_next()

    def _close_when_idle(self, found: _Open) -> None:
        """Close the file soon after its last use, by a thread of its own for each opening."""
        while True:
            time.sleep(IDLE_SECONDS / 2)
            with self._lock:
                if self._opens_or_closes and self._open is None:
                    continue  # it is being opened still, or closed
                if self._open is not found:
                    return
                if self._users or time.monotonic() - self._used_at < IDLE_SECONDS:
                    continue
                self._begin_to_close()
            self._close(found)
            return

    def close(self, patience_seconds: float) -> None:
        """Close it once nobody uses it, if that is within so many seconds."""
        deadline = time.monotonic() + patience_seconds
        while not self._is_closed() and time.monotonic() < deadline:
            time.sleep(0.01)
        if self._closer is not None:
            # At exit a thread that still looks would keep the engine from being taken down.
            self._closer.join(max(0.0, deadline - time.monotonic()))

    def _is_closed(self) -> bool:
        """Close it if nobody uses it; whether it is closed."""
        with self._lock:
            found = self._open
            if found is None:
                return not self._opens_or_closes
            found.takes_no_more = True
            if self._users:
                return False
            self._begin_to_close()
        self._close(found)
        return True
