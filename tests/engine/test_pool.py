"""Warm processes: one each, kept for the next job, and never one that has died."""

import threading
from typing import Any

import pytest
from control_file import Control

from runner.engine import pool
from runner.engine.pool import Pool


class Process:
    """A dbt process that does nothing."""

    def __init__(self, *args: Any) -> None:
        self.is_alive = True
        self.warmed = 0

    def warm_up(self) -> None:
        self.warmed += 1

    def stop(self) -> None:
        self.is_alive = False


@pytest.fixture
def processes(control: Control, monkeypatch: pytest.MonkeyPatch) -> Pool:
    monkeypatch.setattr(pool, "Worker", Process)
    return Pool(control.settings)


def test_a_process_is_kept_for_the_next_job(processes: Pool) -> None:
    processes.warm_up()
    with processes.lend() as first:
        pass
    with processes.lend() as second:
        assert second is first and first.warmed == 1


def test_two_at_once_have_one_each(processes: Pool) -> None:
    with processes.lend() as first, processes.lend() as second:
        assert first is not second


def test_one_that_died_while_it_waited_is_not_lent(processes: Pool) -> None:
    processes.warm_up()
    with processes.lend() as first:
        pass
    first.is_alive = False
    with processes.lend() as second:
        assert second is not first and second.is_alive


def test_one_that_was_left_in_the_midst_of_a_job_is_ended_and_not_kept(processes: Pool) -> None:
    with pytest.raises(KeyboardInterrupt), processes.lend() as first:
        raise KeyboardInterrupt
    assert not first.is_alive
    with processes.lend() as second:
        assert second is not first


def test_all_end_with_the_pool(processes: Pool) -> None:
    with processes.lend() as first, processes.lend() as second:
        pass
    with processes:
        pass
    assert not first.is_alive and not second.is_alive


def test_threads_never_share_one(processes: Pool) -> None:
    seen: list[Any] = []
    together = threading.Barrier(8)

    def borrow() -> None:
        with processes.lend() as one:
            seen.append(one)
            together.wait(10)

    threads = [threading.Thread(target=borrow) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(one) for one in seen}) == 8
