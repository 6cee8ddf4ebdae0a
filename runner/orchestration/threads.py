"""Many tenants at once, each in a thread; and shards of tenants for job arrays."""

import hashlib
import logging
import re
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Generic, TypeVar

from runner import signals
from runner.context import Stop
from runner.errors import Interrupted, RunnerError, UsageProblem

Result = TypeVar("Result")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Done(Generic[Result]):
    """The result of one name, or the error that ended it."""

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
    """Do the task for each name, `workers` at a time; returns results in the order of the names.

    An error of one does not end the others. After Ctrl-C or SIGTERM, running tasks are stopped by
    `stop` and no other is started: only the results of started tasks are returned.
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
        signals.handled(lambda number, frame: stop.now(number)),
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
            # Short waits, because a signal's handler runs only between them.
            ended, at_work = wait(at_work, timeout=0.2, return_when=FIRST_COMPLETED)
            for future in ended:
                done.append(future.result())
                on_done(done[-1])
    return sorted(done, key=lambda one: names.index(one.name))


def shard(names: Sequence[str], part: str) -> list[str]:
    """The names in part i of n, such as 0/4, by a hash of the name.

    So the tasks of a job array agree on their parts, even when tenants are added or removed
    between their starts. Raises UsageProblem for a text that is not i/n.
    """
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", part)
    if not found or not int(found.group(1)) < int(found.group(2)):
        raise UsageProblem(
            f"--shard '{part}' is not valid: write i/n with i from 0 to n-1, such as 0/4 for the"
            " first of 4 parts."
        )
    i, n = int(found.group(1)), int(found.group(2))

    def number(name: str) -> int:
        return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")

    return [name for name in names if number(name) % n == i]
