"""Many names at once: each is done once, one's failure is its own, a signal ends all in order."""

import os
import signal
import threading
import time

import pytest

from runner.context import Stop
from runner.errors import Interrupted, Refused, UsageProblem
from runner.orchestration import threads

NAMES = [f"tenant_{n}" for n in range(40)]


def test_each_name_is_done_once_and_reported_in_the_order_of_the_names() -> None:
    reported: list[str] = []
    ended = threads.each(NAMES, str.upper, 4, Stop(), lambda done: reported.append(done.name))
    assert [done.name for done in ended] == NAMES and sorted(reported) == sorted(NAMES)
    assert [done.result for done in ended] == [name.upper() for name in NAMES]


def test_no_more_than_the_workers_are_at_work_at_once() -> None:
    at_work, most = 0, 0
    lock = threading.Lock()

    def task(name: str) -> None:
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        time.sleep(0.005)
        with lock:
            at_work -= 1

    threads.each(NAMES, task, 3, Stop())
    assert most == 3


@pytest.mark.parametrize(
    ("error", "reported"),
    [
        (Refused("no runs left"), "no runs left"),
        (UsageProblem("no such date"), "no such date"),
        (ValueError("a bug of ours"), "internal error (ValueError: a bug of ours)"),
    ],
)
def test_what_one_raises_is_its_own(error: Exception, reported: str) -> None:
    def task(name: str) -> str:
        if name == "tenant_7":
            raise error
        return name

    ended = {done.name: done for done in threads.each(NAMES, task, 4, Stop())}
    failed = ended.pop("tenant_7")
    assert failed.error is not None and reported in failed.error.message and failed.result is None
    assert all(done.result == name and done.error is None for name, done in ended.items())


def test_a_signal_stops_those_at_work_and_begins_no_other() -> None:
    stop, begun = Stop(), []

    def task(name: str) -> str:
        begun.append(name)
        if len(begun) == 2:
            stop.now(15)
        while not stop.number:
            time.sleep(0.001)
        raise Interrupted(stop.number)

    ended = threads.each(NAMES, task, 2, stop)
    assert sorted(done.name for done in ended) == sorted(begun) and len(begun) == 2
    assert all(done.error and "signal 15" in done.error.message for done in ended)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_process_reaches_the_threads(number: signal.Signals) -> None:
    stop, reported = Stop(), []

    def task(name: str) -> str:
        os.kill(os.getpid(), number)
        while not stop.number:
            time.sleep(0.001)
        return "ended in order"

    before = signal.getsignal(number)
    ended = threads.each(NAMES, task, 2, stop, reported.append)
    assert stop.number == number and ended == sorted(reported, key=lambda done: done.name)
    assert [done.result for done in ended] == ["ended in order"] * len(ended)
    assert len(ended) in (1, 2) and signal.getsignal(number) is before


@pytest.mark.parametrize("n", [1, 2, 7])
def test_the_shards_together_are_all_names_and_none_twice(n: int) -> None:
    parts = [threads.shard(NAMES, f"{i}/{n}") for i in range(n)]
    assert sorted(name for part in parts for name in part) == sorted(NAMES)


def test_a_name_stays_in_its_shard_when_others_come() -> None:
    assert set(threads.shard(NAMES, "1/3")) <= set(threads.shard([*NAMES, "another", "a0"], "1/3"))


@pytest.mark.parametrize("part", ["", "1", "3/3", "-1/3", "a/b", "1/0", "0/0", "1/3/4", "1 / 3"])
def test_what_is_no_shard_is_one_sentence(part: str) -> None:
    with pytest.raises(UsageProblem, match="write i/n"):
        threads.shard(NAMES, part)
