"""Many at the same time: one run a date, no limit passed, tenants beside each other."""

import fcntl
import json
import threading
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from control_file import DAY, Control, at_once
from scene import RUN, Bill, Scene, made_in, until

from runner.context import open_context
from runner.control import runs_sql as sql

# Claims each of the dates, holds it for a while, ends it. Prints, per claim: date, status,
# and from when to when (one clock for all processes) the run was surely active.
CLAIMANT = """
import json, os, random, sys, time
from datetime import UTC, date, datetime
from control_file import request
from runner.control import claim, runs_sql as sql
from runner.context import open_context
from runner.settings import Settings
from support import ROOT

store = open_context(Settings(ROOT, None, dict(os.environ))).store
hold, patient, *days = sys.argv[1:]
print("ready", flush=True)
sys.stdin.readline()
for day in days:
    while True:
        run = claim.take(store, request(date.fromisoformat(day)))
        began = time.monotonic()
        if run.status == "PENDING" or not int(patient):
            break
        time.sleep(random.uniform(0.05, 0.25))
    ended = None
    if float(hold):
        time.sleep(float(hold))
        ended = time.monotonic()
        store.write(
            sql.FINISH.format(tenant="acme"), sql.MISSING_EVENTS.format(tenant="acme"),
            run_id=run.id, status="COMPLETED", now=datetime.now(UTC), duration_ms=0,
            error_message=None, warnings="[]", row_count=0, publications=None,
            tenant_id="acme", events_since=run.start_time.date(),
        )
    print(json.dumps([day, run.status, began, ended]), flush=True)
print("done", flush=True)
sys.stdin.readline()
"""


def claimed(control: Control, hold: float, patient: bool, shares: list[list[str]]) -> list[Any]:
    """What processes that claim their dates side by side get, each its share of dates."""
    calls = [(str(hold), str(int(patient)), *share) for share in shares]
    claimants = at_once(control, CLAIMANT, calls)
    reported: list[Any] = []
    try:
        # None ends before all are done: the run of an exited process would be closed.
        for one in claimants:
            assert one.stdout
            for line in one.stdout:
                if line == "done\n":
                    break
                reported.append(json.loads(line))
    finally:
        for one in claimants:
            one.kill()
            one.communicate()
    return reported


def days(count: int) -> list[str]:
    return [(DAY + timedelta(days=n)).isoformat() for n in range(count)]


def most_at_once(intervals: list[tuple[Any, Any]]) -> int:
    """How many of the intervals lie over one another, at most."""
    edges = sorted([(begin, 1) for begin, _ in intervals] + [(end, -1) for _, end in intervals])
    active = most = 0
    for _, step in edges:
        active += step
        most = max(most, active)
    return most


def test_of_fifty_processes_that_start_one_date_one_runs_and_the_others_get_its_id(
    scene: Scene,
) -> None:
    # The tenant's place in the queue is taken, so that the winner is active until all have asked.
    with scene.path("tenant_acme").with_suffix(".lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        asked = [scene.start(*RUN) for _ in range(50)]
        until(lambda: sum(one.poll() is not None for one in asked) >= 49, seconds=200)
        (winner,) = [one for one in asked if one.poll() is None]
    out, err = winner.communicate(timeout=120)
    assert winner.returncode == 0, err
    won = json.loads(out)
    assert (won["status"], won["deduplicated"]) == ("COMPLETED", False)
    for loser in (one for one in asked if one is not winner):
        out, err = loser.communicate()
        assert loser.returncode == 0, err
        reported = json.loads(out)
        assert (reported["pipeline_logging_id"], reported["deduplicated"]) == (
            won["pipeline_logging_id"],
            True,
        )
    assert scene.statuses() == ["COMPLETED"], "no other row, not even a refused one"
    assert scene.bill() == Bill((4, Decimal(100)), (4, Decimal(100)))
    assert scene.hanging() == []
    # dbt was started for one of them: what it writes is in a folder of the run.
    assert len(list((scene.folder / "logs" / "runs").iterdir())) == 1


def test_fifty_dates_never_pass_the_concurrent_limit(control: Control) -> None:
    control.subscribe(concurrent_limit=5, daily_limit=1000, monthly_limit=1000)
    samples: list[int] = []
    stop = threading.Event()

    def sample() -> None:
        while not stop.wait(0.02):
            samples.append(len(control.context.store.read(sql.ACTIVE_RUNS.format(tenant="acme"))))

    sampler = threading.Thread(target=sample)
    sampler.start()
    every = days(50)
    try:
        reported = claimed(control, 0.5, True, [every[n::10] for n in range(10)])
    finally:
        stop.set()
        sampler.join()
    assert sorted(day for day, *_ in reported) == every, "each date had its turn"
    statuses = [status for status, _ in control.runs()]
    assert statuses.count("COMPLETED") == 50 and statuses.count("REFUSED") > 0
    assert most_at_once([(began, ended) for _, _, began, ended in reported]) <= 5
    assert len(samples) > 20 and max(samples) == 5, "reached, and never passed"


def test_nor_does_the_history_show_more_at_once_than_there_were(control: Control) -> None:
    """A claim that waits for its turn starts when it has it: else the runs table shows two at
    once under a limit of one, and a day's last run may be counted for the day before."""
    control.subscribe(concurrent_limit=1)
    first = control.take(DAY)
    write, other = control.context.store.write_in_turn, open_context(control.settings).store

    def wait_for_the_turn(when: Any, *statements: str, **values: Any) -> Any:
        time.sleep(0.01)
        other.write(
            *(text.format(tenant="acme") for text in (sql.FINISH, sql.MISSING_EVENTS)),
            run_id=first.id,
            status="COMPLETED",
            now=datetime.now(UTC),
            duration_ms=0,
            error_message=None,
            warnings="[]",
            row_count=0,
            publications=None,
            tenant_id="acme",
            events_since=first.start_time.date(),
        )
        return write(when, *statements, **values)

    control.context.store.write_in_turn = wait_for_the_turn  # type: ignore[method-assign]
    assert control.take(DAY + timedelta(days=1)).status == "PENDING"
    intervals = control.sql(
        "select start_time, coalesce(end_time, '2100-01-01 00:00:00.000000') as end_time"
        " from acme.x_meta_pipeline_runs"
    )
    assert most_at_once(intervals) == 1


def test_two_hundred_claims_on_a_daily_limit_of_a_hundred_admit_exactly_a_hundred(
    control: Control,
) -> None:
    control.subscribe(concurrent_limit=1000, daily_limit=100, monthly_limit=1000)
    every = days(200)
    reported = claimed(control, 0, False, [every[n::8] for n in range(8)])
    statuses = [status for _, status, *_ in reported]
    assert (statuses.count("PENDING"), statuses.count("REFUSED")) == (100, 100)
    assert sorted(status for status, _ in control.runs()) == sorted(statuses), "each is a row"
    reasons = {reason for status, reason in control.runs() if status == "REFUSED"}
    assert reasons == {"daily limit reached: 100 of 100 runs used today"}


def test_two_hundred_claims_on_a_monthly_limit_admit_exactly_that_many(control: Control) -> None:
    control.subscribe(concurrent_limit=1000, daily_limit=1000, monthly_limit=30)
    reported = claimed(control, 0, False, [days(60)[n::6] for n in range(6)])
    assert [status for _, status, *_ in reported].count("PENDING") == 30


@pytest.mark.heavy
def test_three_tenants_side_by_side_all_complete_with_their_own_totals(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    names = ["acme", "mini", "shop"]  # known to dbt from other tests
    place = made_in(tmp_path_factory.mktemp("three"), *names)
    for n, name in enumerate(names):
        place.export(cost=100 + n, rows=1 + n, tenant=name)
    runs = [place.start("run", "--tenant", name, "--date", str(DAY), "--json") for name in names]
    for n, run in enumerate(runs):
        out, err = run.communicate(timeout=280)
        assert run.returncode == 0, err
        assert json.loads(out)["rows"] == 1 + n
    for n, name in enumerate(names):
        assert place.statuses(name) == ["COMPLETED"] and place.hanging(name) == []
        rows, cost = place.bill(name).billing
        assert rows == 1 + n and abs(cost - (100 + n)) < Decimal("0.000001")
