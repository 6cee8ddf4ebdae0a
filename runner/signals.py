"""Ctrl-C and SIGTERM: how a part of a command handles them."""

import signal
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from runner.errors import Interrupted


@contextmanager
def handled(handler: Any) -> Iterator[None]:
    """Handle both by this; no effect outside the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def ignored() -> AbstractContextManager[None]:
    """Ignore both: a second Ctrl-C must not interrupt the recording of the first."""
    return handled(signal.SIG_IGN)


def interrupt(number: int, frame: object) -> None:
    """A handler that raises Interrupted, so that dbt is stopped and its run recorded."""
    raise Interrupted(number)
