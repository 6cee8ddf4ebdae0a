"""Threads of the service: their contexts, their end, and the log of their errors."""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial

from runner.context import Context, open_context
from runner.errors import RunnerError
from runner.settings import Settings

log = logging.getLogger(__name__)


class ThreadContexts(threading.local):
    """The contexts of the current thread, one per patience: a client is a thread's own."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        # By how many seconds they wait for a file that another program has open.
        self.waiting: Callable[[float], Context] = cache(partial(open_context, settings))


def join(threads: Sequence[threading.Thread], seconds: float) -> None:
    """Wait for all threads, at most `seconds` together."""
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))


@contextlib.contextmanager
def logged(what: str) -> Iterator[None]:
    """Log an error instead of raising it, so that the thread continues."""
    try:
        yield
    except RunnerError as error:
        log.warning("%s failed and is tried again later: %s", what, error.message)
    except Exception:
        log.exception("%s failed", what)
