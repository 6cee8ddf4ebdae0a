"""Many tenants at once, a thread each; and which of them are one task's of a job array."""

import hashlib
import logging
import re
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Generic, TypeVar

from runner.context import Stop, signals_handled
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

    What one raises does not end the others. Ctrl-C or SIGTERM stops those at work, which the task
    sees by `stop`, and begins no other: only those that began are returned then.
    """

    def one(name: str) -> Done[Result]:
        try:
            return Done(name, task(name))
        except RunnerError as error:
            return Done(name, error=error)
        except Interrupted as stopped:
            return Done(name, error=RunnerError(f"Stopped by signal {stopped.number}."))
        except Exception as error:
            log.exception("%s failed", name)
            why = f"internal error ({type(error).__name__}: {error}); the trace is in the log"
            return Done(name, error=RunnerError(why))

    todo, done = iter(names), []
    at_work: set[Future[Done[Result]]] = set()
    with (
        signals_handled(lambda number, frame: stop.now(number)),
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
    return sorted(done, key=lambda one: names.index(one.name))


def shard(names: Sequence[str], part: str) -> list[str]:
    """Those of the names that are part i of n, such as 0/4: by the name alone.

    So every task of a job array that was given the same n agrees on which it has, though tenants
    come and go between their starts. Raises UsageProblem for what is not i/n.
    """
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", part)
    if not found or not int(found.group(1)) < int(found.group(2)):
        raise UsageProblem(
            f"--shard is '{part}': name it i/n with i from 0 to n-1, such as 0/4 for the"
            " first of 4."
        )
    i, n = int(found.group(1)), int(found.group(2))

    def number(name: str) -> int:
        return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")

    return [name for name in names if number(name) % n == i]
