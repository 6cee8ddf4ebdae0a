"""Many tenants at once: a thread each, with a warm dbt process of its own; long ranges in parts."""

import hashlib
import logging
import re
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from runner.context import Stop
from runner.errors import Interrupted, RunnerError, UsageProblem

Result = TypeVar("Result")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Done(Generic[Result]):
    """What became of one name: a result, or the error that ended it."""

    name: str
    result: Result | None = None
    error: RunnerError | None = None


def each(
    names: Sequence[str],
    task: Callable[[str], Result],
    workers: int,
    stop: Stop,
    on_done: Callable[[Done[Result]], None] = lambda done: None,
) -> list[Done[Result]]:
    """The task done for each name, `workers` at a time; in the order of the names.

    What one raises leaves the others alone. Ctrl-C or SIGTERM stops those at work, which the task
    sees by `stop`, and begins no other: the answer then has only those that began.
    """

    def one(name: str) -> Done[Result]:
        try:
            return Done(name, task(name))
        except RunnerError as error:
            return Done(name, error=error)
        except Interrupted as stopped:
            return Done(name, error=RunnerError(f"Stopped by signal {stopped.number}."))
        except Exception as error:
            log.exception("%s broke", name)
            told = f"internal error ({type(error).__name__}: {error}); the trace is in the log"
            return Done(name, error=RunnerError(told))

    todo, done = iter(names), []
    at_work: set[Future[Done[Result]]] = set()
    with (
        _handed_to(stop),
        ThreadPoolExecutor(max_workers=workers, thread_name_prefix="tenant") as threads,
    ):
        while True:
            while len(at_work) < workers and not stop.number:
                name = next(todo, None)
                if name is None:
                    break
                at_work.add(threads.submit(one, name))
            if not at_work:
                break
            # In short waits: a signal's handler runs only between them.
            ended, at_work = wait(at_work, timeout=0.2, return_when=FIRST_COMPLETED)
            for future in ended:
                done.append(future.result())
                on_done(done[-1])
    place = {name: n for n, name in enumerate(names)}
    return sorted(done, key=lambda one: place[one.name])


@contextmanager
def _handed_to(stop: Stop) -> Iterator[None]:
    """Ctrl-C and SIGTERM, which only the main thread gets, tell the others to end in order."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {
        number: signal.signal(number, lambda number, frame: stop.now(number)) for number in numbers
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def shard(names: Sequence[str], part: str) -> list[str]:
    """Those of the names that are part i of n, such as 0/4: by the name alone.

    So every task of a job array that was given the same n agrees on who has which, though tenants
    come and go between their starts. Raises UsageProblem for what is no i/n.
    """
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", part)
    if not found or not int(found.group(1)) < int(found.group(2)):
        raise UsageProblem(
            f"--shard is '{part}': name it i/n with i from 0 to n-1, such as 0/4 for the"
            " first of 4."
        )
    i, n = int(found.group(1)), int(found.group(2))
    return [name for name in names if _number(name) % n == i]


def _number(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
