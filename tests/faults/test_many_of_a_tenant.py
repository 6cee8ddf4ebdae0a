"""Many runs of one tenant at once: each has its turn, oldest first, whoever is killed meanwhile."""

import itertools
import json
import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from control_file import DAY
from scene import GATE, Scene, children, made_in, until

BILL = "billing_cost_daily"


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    made = made_in(tmp_path_factory.mktemp("turns"))
    yield made
    made.end()


def begin(place: Scene, n: int, at: str | None = None) -> "subprocess.Popen[str]":
    day = DAY + timedelta(days=n)
    return place.start("run", "--tenant", "acme", "--date", str(day), "--json", at=at)


def ended(run: "subprocess.Popen[str]") -> str:
    out, err = run.communicate(timeout=280)
    assert run.returncode == 0, err
    return str(json.loads(out)["pipeline_logging_id"])


@pytest.mark.heavy
def test_four_runs_of_a_tenant_at_once_all_complete_one_after_another_oldest_first(
    place: Scene,
) -> None:
    runs = [begin(place, n) for n in range(4)]
    ids = {ended(run) for run in runs}
    assert len(ids) == 4 and place.statuses() == ["COMPLETED"] * 4 and place.hanging() == []
    intervals = place.sql(
        "select runs.pipeline_logging_id, min(steps.start_time) as start_time,"
        " max(runs.end_time) as end_time"
        " from acme.x_meta_pipeline_runs as runs"
        " inner join acme.x_meta_step_logs as steps using (pipeline_logging_id)"
        " where steps.step_name = ? group by runs.pipeline_logging_id"
        " order by min(runs.start_time)",
        BILL,
    )
    assert [run_id for run_id, *_ in intervals] == [
        run_id
        for (run_id,) in place.sql(
            "select pipeline_logging_id from acme.x_meta_pipeline_runs order by start_time"
        )
    ]
    for (_, _, end), (_, began, _) in itertools.pairwise(intervals):
        assert end <= began, "the next begins when the one before it has ended"


def test_a_waiting_run_waits_neither_for_a_dead_run_that_waited_nor_for_one_that_built(
    place: Scene,
) -> None:
    builds = begin(place, 0, GATE)
    with place.stuck():
        until(lambda: place.statuses() == ["RUNNING"] and children(builds))
        waiting = []
        for n in range(1, 4):
            waiting.append(begin(place, n))
            until(lambda n=n: place.statuses() == ["RUNNING"] + ["PENDING"] * n)
        # Who is not next has no dbt yet.
        assert not children(waiting[1]) and not children(waiting[2])
        waiting[1].kill()
        builds.send_signal(signal.SIGKILL)
        for dead in (waiting[1], builds):
            dead.communicate(timeout=30)
        began = time.monotonic()
        until(lambda: place.statuses() == ["FAILED", "RUNNING", "FAILED", "PENDING"], 20)
        assert time.monotonic() - began < 20, "no lease is waited for on this host"
    for run in (waiting[0], waiting[2]):
        ended(run)
    assert place.statuses() == ["FAILED", "COMPLETED", "FAILED", "COMPLETED"]
    assert place.hanging() == []
