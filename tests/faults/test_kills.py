"""SIGKILL at every boundary: afterwards one plain run succeeds, and nothing hangs.

Before each kill the date is loaded (OLD) and the export then changed (NEW), so that a hole,
a half or a mixture would show in what a reader finds.
"""

import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from queue import Queue
from typing import Any

import pytest
from scene import GATE, RUN, STOPPED_BY, Bill, Scene, children, document, gone, made_in, until

NODE = "billing_cost_daily"
SILVER = "gcp_silver_cost"
LEASE = "lease expired: the process that ran it ended without a report"
CHILD = "the dbt process was killed by SIGKILL (out of memory?): see "

# A run's steps in order; what stands beside each point is how far the bill had come:
# 0 nothing, 1 billing_cost_daily, 2 gcp_silver_cost, too.
PARENT = {
    "commit:claim": 0,
    "close:claim": 0,
    "after:runner.control.turns.start": 0,
    "before:runner.engine.process.Worker.run": 0,
    f"event:finished:{NODE}": None,
    "after:runner.engine.process.Worker.run": 2,
    "commit:finish": 2,
    "close:finish": 2,
}
CHILDREN = {
    "child:boot": 0,
    f"child:deleted:{NODE}": 0,
    f"child:inserted:{NODE}": 0,
    f"child:proved:{NODE}": 0,
    f"child:published:{NODE}": 0,
    f"child:deleted:{SILVER}": 1,
    f"child:published:{SILVER}": 1,
    "child:end": 2,
}
# Tried on a program as a user starts it, by `env`; all others on forks of one.
STARTED = ("close:start", f"child:deleted:{NODE}")
UNCLAIMED = ("commit:claim",)
ENDED = ("close:finish",)


@dataclass(frozen=True)
class Aftermath:
    """What a kill left, and what one plain run made of it."""

    old: Bill
    new: Bill
    killed: "subprocess.CompletedProcess[str]"
    bill: Bill
    again: "subprocess.CompletedProcess[str]"
    bill_again: Bill
    runs: list[Any]
    hanging: list[Any]


def lived_through(lane: Scene, point: str) -> Aftermath:
    """Change the export, kill at the point, check, run again."""
    old = lane.bill()
    # Four rows or eight, 100 or 200: whichever it is not now.
    rows, cost = (8, 200) if old.billing[0] == 4 else (4, 100)
    lane.export(cost, rows)
    before = len(lane.statuses())
    killed = lane.run(at=point, under=("env",) if point in STARTED else ())
    bill = lane.bill()
    again = lane.run()
    runs = lane.sql(
        "select status, error_message from acme.x_meta_pipeline_runs order by start_time"
    )
    return Aftermath(
        old,
        Bill((rows, Decimal(cost)), (rows, Decimal(cost))),
        killed,
        bill,
        again,
        lane.bill(),
        runs[before:],
        lane.hanging(),
    )


@pytest.fixture(scope="session")
def aftermaths(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, "Future[Aftermath]"]]:
    """The points of the tests that were chosen, two at a time: the machine has two cores.

    Each of two warehouses lives through kill after kill, as a real one would.
    """
    lanes: Queue[Scene] = Queue()
    for number in range(2):
        lanes.put(made_in(tmp_path_factory.mktemp(f"lane{number}")))

    def first(lane: Scene) -> None:
        done = lane.run()
        assert done.returncode == 0, done.stderr

    def through(point: str) -> Aftermath:
        lane = lanes.get()
        try:
            if not lane.statuses():
                first(lane)
            return lived_through(lane, point)
        finally:
            lanes.put(lane)

    chosen = [
        item.callspec.params["point"]  # type: ignore[attr-defined]
        for item in request.session.items
        if "aftermath" in getattr(item, "fixturenames", ())
    ]
    with ThreadPoolExecutor(2) as pool:
        yield {point: pool.submit(through, point) for point in chosen}
    while not lanes.empty():
        lanes.get().end()


@pytest.fixture
def aftermath(point: str, aftermaths: "dict[str, Future[Aftermath]]") -> Aftermath:
    return aftermaths[point].result()


def assert_complete(then: Aftermath, progress: int | None) -> None:
    """Old or new, never a hole; then one plain run, right totals, nothing at work, slot free."""
    stages = [
        then.old,
        Bill(then.new.billing, then.old.silver),
        then.new,
    ]
    if progress is None:
        assert then.bill in stages, "each table is as it was, or as it should become"
    else:
        assert then.bill == stages[progress]
    assert then.again.returncode == 0, then.again.stderr
    assert document(then.again)["status"] == "COMPLETED"
    assert then.bill_again == then.new
    assert then.hanging == []


@pytest.mark.parametrize("point", PARENT)
def test_a_run_killed_at_any_step_is_closed_and_done_by_the_next(
    point: str, aftermath: Aftermath
) -> None:
    assert aftermath.killed.returncode == -signal.SIGKILL, aftermath.killed.stderr
    assert_complete(aftermath, PARENT[point])
    if point in UNCLAIMED:
        assert aftermath.runs == [("COMPLETED", None)], "what was not claimed left nothing"
    elif point in ENDED:
        assert aftermath.runs == [("COMPLETED", None)] * 2
    else:
        assert aftermath.runs == [("FAILED", LEASE), ("COMPLETED", None)]


@pytest.mark.parametrize("point", CHILDREN)
def test_a_dbt_process_killed_anywhere_is_a_failed_run_that_names_the_signal(
    point: str, aftermath: Aftermath
) -> None:
    assert aftermath.killed.returncode == 1, aftermath.killed.stderr
    reported = document(aftermath.killed)
    assert reported["status"] == "FAILED" and reported["error"].startswith(CHILD)
    assert_complete(aftermath, CHILDREN[point])
    (failed, completed) = aftermath.runs
    assert failed == ("FAILED", reported["error"]) and completed == ("COMPLETED", None)


def at_work(scene: Scene, process: "subprocess.Popen[str]") -> list[Any]:
    """Wait until dbt is at work for a run; its processes."""
    until(lambda: process.poll() is not None or "RUNNING" in scene.statuses())
    found = until(lambda: process.poll() is not None or children(process))
    assert process.poll() is None, process.communicate()
    return list(found)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A warehouse whose date is loaded once."""
    place = made_in(tmp_path_factory.mktemp("loaded"))
    assert place.run().returncode == 0
    yield place
    place.end()


def test_a_run_right_after_a_kill_need_not_wait_for_dbt_to_be_gone(loaded: Scene) -> None:
    """dbt notices the loss of its parent by itself, and lets go of the file."""
    killed = loaded.start(*RUN, at=f"event:started:{NODE}")
    dbt = at_work(loaded, killed)
    assert killed.wait(60) == -signal.SIGKILL
    again = loaded.run()
    assert again.returncode == 0, again.stderr
    assert gone(dbt, 0) and loaded.hanging() == []


@pytest.mark.parametrize("number", STOPPED_BY, ids=lambda number: number.name)
def test_a_signal_cancels_the_run_with_its_steps_and_ends_dbt(
    loaded: Scene, number: signal.Signals
) -> None:
    run = loaded.start(*RUN, at=f"event:started:{NODE}={number.name[3:]}")
    dbt = at_work(loaded, run)
    out, err = run.communicate(timeout=60)
    assert run.returncode == STOPPED_BY[number], err
    assert '"status": "CANCELLED"' in out and gone(dbt, 0)
    (reported,) = loaded.sql(
        "select status, error_message from acme.x_meta_step_logs"
        " where pipeline_logging_id = ? and step_name = ?",
        loaded.last_run()["pipeline_logging_id"],
        NODE,
    )
    assert reported == ("CANCELLED", f"stopped by {number.name}")
    assert loaded.last_run()["status"] == "CANCELLED" and loaded.hanging() == []
    assert loaded.last_run()["error_message"] == f"stopped by {number.name}"


def test_a_signal_right_after_the_claim_cancels_the_run_too(loaded: Scene) -> None:
    done = loaded.run(at="after:runner.control.claim.take=TERM")
    assert done.returncode == STOPPED_BY[signal.SIGTERM]
    assert loaded.last_run()["status"] == "CANCELLED" and loaded.hanging() == []


def test_a_second_signal_does_not_stop_the_record_of_the_first(loaded: Scene) -> None:
    run = loaded.start(*RUN, at=GATE)
    with loaded.stuck():
        dbt = at_work(loaded, run)
        run.send_signal(signal.SIGTERM)
        for _ in range(3):
            time.sleep(0.05)
            run.send_signal(signal.SIGINT)
        _out, err = run.communicate(timeout=90)
    # The last may meet a Python that is done with all but its own end: for a shell that is 130.
    assert run.returncode in (*STOPPED_BY.values(), -signal.SIGINT), err
    assert loaded.last_run()["status"] == "CANCELLED"
    assert gone(dbt) and loaded.hanging() == []


def test_a_run_beyond_its_templates_timeout_failed_and_dbt_has_exited(loaded: Scene) -> None:
    run = loaded.start(*RUN, at=f"{GATE},timeout:0.1")
    with loaded.stuck():
        dbt = at_work(loaded, run)
        assert gone(dbt, 30)
    out, _ = run.communicate(timeout=60)
    assert run.returncode == 1
    assert loaded.last_run()["status"] == "FAILED"
    assert loaded.last_run()["error_message"] == "timed out after 0.1 min"
    assert '"error": "timed out after 0.1 min"' in out
    assert loaded.hanging() == []


def test_a_run_cancelled_by_another_command_ends_within_seconds(loaded: Scene) -> None:
    run = loaded.start(*RUN, at=GATE)
    with loaded.stuck():
        dbt = at_work(loaded, run)
        run_id = loaded.last_run()["pipeline_logging_id"]
        cancelled = loaded.call("cancel", run_id, "--tenant", "acme")
        assert cancelled.returncode == 0, cancelled.stderr
        assert loaded.last_run()["status"] == "CANCELLED", "at once, not when its process ends"
        out, err = run.communicate(timeout=15)
    assert run.returncode == 1, err
    assert '"status": "CANCELLED"' in out
    assert loaded.last_run()["error_message"].startswith("cancelled by ")
    assert gone(dbt) and loaded.hanging() == []


def test_a_run_that_waits_for_another_of_its_tenant_can_be_cancelled(loaded: Scene) -> None:
    """Two dates of one tenant: the second waits for its turn, and must be stopped there, too."""
    first = loaded.start(*RUN, at=GATE)
    with loaded.stuck():
        at_work(loaded, first)
        second = loaded.start("run", "--tenant", "acme", "--date", "2024-11-02", "--json")
        until(lambda: loaded.statuses()[-2:] == ["RUNNING", "PENDING"])
        run_id = loaded.last_run()["pipeline_logging_id"]
        assert loaded.call("cancel", run_id, "--tenant", "acme").returncode == 0
        try:
            second.communicate(timeout=6)
            ended = True
        except subprocess.TimeoutExpired:
            ended = False
        first.terminate()
        first.communicate(timeout=30)
        second.communicate(timeout=60)
    assert ended, "it waited on, for the first run's end"


@pytest.mark.parametrize("command", ["status", "runs", "quota"])
def test_any_command_closes_a_killed_run_at_once_on_its_host(loaded: Scene, command: str) -> None:
    assert loaded.run(at="after:runner.control.turns.start").returncode == -signal.SIGKILL
    run_id = loaded.last_run()["pipeline_logging_id"]
    assert loaded.last_run()["status"] == "RUNNING"
    args = (command, run_id) if command == "status" else (command,)
    reported = loaded.call(*args, "--tenant", "acme", "--json")
    assert reported.returncode == 0, reported.stderr
    assert loaded.last_run()["status"] == "FAILED"
    assert loaded.last_run()["error_message"] == LEASE
    assert loaded.hanging() == []


def test_a_run_of_another_host_is_closed_only_after_its_lease(loaded: Scene) -> None:
    assert loaded.run(at="after:runner.control.turns.start").returncode == -signal.SIGKILL
    run_id = loaded.last_run()["pipeline_logging_id"]
    loaded.sql(
        "update acme.x_meta_pipeline_runs set worker_instance = 'elsewhere:1'"
        " where pipeline_logging_id = ?",
        run_id,
    )
    duplicate = loaded.run()
    assert document(duplicate)["deduplicated"] is True, "it may be at work over there"
    assert document(duplicate)["pipeline_logging_id"] == run_id
    assert loaded.last_run()["status"] == "RUNNING"
    loaded.sql(
        "update acme.x_meta_pipeline_runs set lease_expires_at = ? where pipeline_logging_id = ?",
        *(datetime.now(UTC), run_id),
    )
    assert loaded.call("quota", "--tenant", "acme").returncode == 0
    assert loaded.last_run()["status"] == "FAILED" and loaded.last_run()["error_message"] == LEASE
    assert loaded.hanging() == []


# -- Onboarding

ADD_STEPS = (
    "after:runner.engine.process.Worker.run#2",  # the control tables are made
    "close:tenant",
    "after:runner.engine.process.Worker.run#3",  # the tenant's dataset is made
    "close:exports",  # its copy of what the exports are
)


def dump(scene: Scene) -> dict[str, Any]:
    """All tables of both files: their columns and rows, but for times and made-up ids."""
    found: dict[str, Any] = {}

    def add(table: str, columns: list[tuple[str, ...]], file: str) -> None:
        kept = [
            name
            for name, *_ in columns
            if not name.endswith(("_at", "last_updated")) and name != "subscription_id"
        ]
        rows = scene.sql(f"select {', '.join(kept)} from {table}", file=file)
        found[f"{file}: {table}"] = (columns, sorted(map(repr, rows)))

    for (table,) in scene.sql("select name from sqlite_master where type = 'table'"):
        columns = scene.sql("select name, type from pragma_table_info(?)", table)
        add(table, columns, "control")
    for schema, table in scene.sql(
        "select table_schema, table_name from information_schema.tables"
        " where table_schema <> 'main' order by all",
        file="tenant_acme",
    ):
        columns = scene.sql(
            "select column_name, data_type from information_schema.columns"
            " where table_schema = ? and table_name = ? order by ordinal_position",
            *(schema, table),
            file="tenant_acme",
        )
        add(f"{schema}.{table}", columns, "tenant_acme")
    return found


@pytest.mark.heavy
def test_onboarding_killed_between_any_two_steps_and_run_again_ends_in_the_same_state(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """One warehouse lives through every kill, each followed by the same command again."""

    def empty(name: str) -> Scene:
        place = Scene(tmp_path_factory.mktemp(name))
        place.export(100)
        return place

    def add(place: Scene, at: str | None = None) -> "subprocess.CompletedProcess[str]":
        return place.call(
            *("tenant", "add", "acme", "--admin-email", "a@acme.example", "--company", "Acme"),
            *("--export", str(export), "--billing-account", "01ECB7-6EE0BA-7357F1"),
            at=at,
        )

    plain, tried = empty("plain"), empty("tried")
    export = plain.folder / "export_acme.parquet"
    with ThreadPoolExecutor(1) as pool:
        clean = pool.submit(add, plain)
        for point in ADD_STEPS:
            assert add(tried, point).returncode == -signal.SIGKILL, point
        assert add(tried).returncode == 0
        assert clean.result().returncode == 0, clean.result().stderr
    assert dump(tried) == dump(plain)
    ran = tried.run()
    assert ran.returncode == 0, ran.stderr
    assert tried.bill() == Bill((4, Decimal(100)), (4, Decimal(100)))
