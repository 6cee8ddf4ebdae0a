"""Catch-up runs what moved and nothing else; the last finished one is the next one's mark."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from compiled_once import SYSTEM
from exports import charge, write_ndjson, write_parquet
from support import ROOT, only
from world import SharedWorker, World, a_world

from runner import settings
from runner.context import Stop, open_context
from runner.control import tenants
from runner.dataset.duckdb import DuckDBDataset
from runner.engine.job import Job, Outcome
from runner.errors import Interrupted
from runner.orchestration import catch_up as catching

FIRST, SECOND, THIRD, FIFTH = (date(2024, 11, n) for n in (1, 2, 3, 5))
ROWS = [charge(f"2024-11-0{n}", float(n)) for n in (1, 2, 3, 5)]
LATE = charge(
    "2024-11-01",
    -0.5,
    export_time="2024-11-20 07:00:00+00",
    _PARTITIONTIME="2024-11-20 00:00:00+00",
)


pytestmark = pytest.mark.usefixtures("only_the_layers")


class Scene:
    """A tenant, `late`, and its export, which moves."""

    def __init__(self, folder: Path) -> None:
        self.world: World = a_world(folder)
        self.export = folder / "exports" / "late.parquet"
        self.write(ROWS)
        self.world.add("late", self.export)

    def write(self, rows: list[dict[str, Any]]) -> None:
        write_parquet(self.export, rows)

    def catch_up(self, *options: str, code: int = 0) -> dict[str, Any]:
        answer = self.world("catch-up", "--tenant", "late", "--json", *options)
        assert answer.exit_code == code, answer.output
        document: dict[str, Any] = json.loads(answer.stdout)
        return document

    def ran(self, *options: str, code: int = 0) -> list[tuple[str, str, str]]:
        return [
            (run["run_date"][8:], run["to_date"][8:], run["status"])
            for run in self.catch_up(*options, code=code)["runs"]
        ]

    def costs(self) -> dict[int, Decimal]:
        return {day.day: cost for day, (_, cost, _) in self.world.bill("late").items()}

    def marks(self) -> list[tuple[Any, ...]]:
        return self.world.control(
            "select partitions_from, newest_partition, moved_dates, is_complete"
            " from late.x_meta_catch_ups order by checked_at"
        )


@pytest.fixture(scope="module")
def backfilled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Scene, list[Any]]:
    """What a first catch-up leaves. To be copied by who changes it."""
    scene = Scene(tmp_path_factory.mktemp("backfilled"))
    # With what is deployed once, which later runs leave out.
    with only("bill_run"):
        return scene, scene.ran()


@pytest.fixture
def scene(backfilled: tuple[Scene, list[Any]], tmp_path: Path) -> Iterator[Scene]:
    original, _ = backfilled
    mine = Scene.__new__(Scene)
    mine.world, mine.export = original.world.copy(tmp_path), original.export
    yield mine
    mine.write(ROWS)


@pytest.fixture
def by_partitions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compares the newest partitions only, as on BigQuery."""
    monkeypatch.setattr(DuckDBDataset, "prunes_exports", True)


def test_the_first_catch_up_is_the_backfill_a_date_without_charges_included(backfilled) -> None:
    scene, ran = backfilled
    assert ran == [("01", "05", "COMPLETED")]
    assert scene.costs() == {1: 1, 2: 2, 3: 3, 5: 5}
    assert scene.marks() == [(None, FIFTH, 5, True)]
    kinds = scene.world.control("select trigger_type from late.x_meta_pipeline_runs")
    assert kinds == [("catch-up",)]


@pytest.mark.usefixtures("by_partitions")
def test_a_second_catch_up_reads_two_days_of_partitions_and_runs_nothing(scene: Scene) -> None:
    assert scene.ran() == []
    assert scene.marks()[-1] == (THIRD, FIFTH, 0, True)
    answer = scene.world("catch-up", "--tenant", "late")
    assert answer.stdout == "late: nothing to run: no date has changed since it was loaded.\n"


def test_a_value_corrected_in_place_is_not_detected_and_a_run_of_its_date_loads_it(
    scene: Scene,
) -> None:
    """As docs/exports.md states: the row has the same date and export time."""
    scene.write([charge("2024-11-01", 9.0), *ROWS[1:]])
    assert scene.ran() == [] and scene.costs()[1] == 1
    scene.world.run("late", "2024-11-01")
    assert scene.costs()[1] == 9


def test_late_rows_of_an_old_date_are_loaded_and_no_other_date_is(scene: Scene) -> None:
    def written() -> dict[date, Any]:
        rows = scene.world.data(
            "late", "select ingestion_date, max(loaded_at) from late.billing_cost_daily group by 1"
        )
        return dict(rows)

    before = written()
    scene.write([*ROWS, LATE, charge("2024-11-06", 6.0)])
    assert scene.ran("--dry-run") == [("06", "06", "LEFT"), ("01", "01", "LEFT")]
    assert written() == before and len(scene.marks()) == 1, "a dry run writes nothing"
    assert scene.ran() == [("06", "06", "COMPLETED"), ("01", "01", "COMPLETED")]
    assert scene.costs() == {1: Decimal("0.5"), 2: 2, 3: 3, 5: 5, 6: 6}
    after = written()
    assert {day for day in before if before[day] != after[day]} == {FIRST}
    assert scene.ran() == []


def test_a_row_whose_export_time_is_before_the_load_is_found_by_the_count(scene: Scene) -> None:
    scene.write([*ROWS, charge("2024-11-05", 7.0)])
    assert scene.ran() == [("05", "05", "COMPLETED")]
    assert scene.costs()[5] == 12


def test_a_date_whose_layers_disagree_is_run_again_once(scene: Scene) -> None:
    """As after a run that was killed between the bill and silver, and with a table of before."""

    def publish(run: str, table: str, day: date, read: str, at: str) -> None:
        scene.world.data(
            "late",
            "insert into late.x_meta_publications by name select 'late' as tenant_id,"
            " ? as target_table, ? as usage_date, ? as pipeline_logging_id, 1 as row_count,"
            " ? as read_tables, 1 as expectations_passed, ?::timestamp as published_at",
            *(table, day, run, read, at),
        )

    publish("killed", "billing_cost_daily", SECOND, "[]", f"{datetime.now(UTC):%F %T}")
    publish("long ago", "mart_of_before", THIRD, '["gcp_silver_cost"]', "2024-11-04")
    reported = scene.world("doctor", "--tenant", "late").stdout
    assert "layers disagree on 2024-11-02" in reported and "2024-11-03" not in reported
    assert scene.ran() == [("02", "02", "COMPLETED")]
    assert scene.ran() == []


@pytest.mark.usefixtures("by_partitions")
def test_a_date_whose_layers_disagree_is_skipped_when_the_export_has_dropped_it(
    scene: Scene,
) -> None:
    scene.write([*ROWS[2:], charge("2024-11-06", 1.0)])
    assert scene.ran() == [("06", "06", "COMPLETED")]
    scene.world.data(
        "late",
        "update late.x_meta_publications set published_at = now()::timestamp,"
        " pipeline_logging_id = 'killed'"
        " where target_table = 'billing_cost_daily' and usage_date = ?",
        FIRST,
    )
    document = scene.catch_up()
    assert document["runs"] == [] and document["skipped"] == ["2024-11-01"]
    assert "layers disagree on 2024-11-01" in scene.world("doctor", "--tenant", "late").stdout
    assert "`dbt build --select gcp_silver_cost+`" in document["notes"][0]
    assert SharedWorker.process is not None
    place = {"WAREHOUSE_DIR": str(scene.world.warehouse)}
    layers = ("build", "--select", "gcp_silver_cost+", "--exclude-resource-type", "unit_test")
    built = SharedWorker.process.run(Job("late", layers, {"date": "2024-11-01"}, place))
    assert built.success, built.error
    assert "layers disagree" not in scene.world("doctor", "--tenant", "late").stdout
    assert scene.costs()[1] == 1


def test_an_emptied_date_becomes_empty_and_stays_so(scene: Scene) -> None:
    scene.write([*ROWS[:3], charge("2024-11-06", 6.0)])
    assert scene.ran() == [("05", "06", "COMPLETED")]
    assert scene.costs() == {1: 1, 2: 2, 3: 3, 6: 6}
    assert scene.ran() == []


@pytest.mark.usefixtures("by_partitions")
def test_what_the_export_has_dropped_is_left_as_it_was_loaded(scene: Scene) -> None:
    """Partitions expire. A late row must not cost the date all its others."""
    scene.write([*ROWS[2:], LATE])
    document = scene.catch_up()
    assert document["runs"] == [] and document["skipped"] == ["2024-11-01"]
    reported = "2024-11-01: skipped, because the export no longer has all rows that were loaded."
    assert document["notes"][0].startswith(reported)
    assert scene.costs() == {1: 1, 2: 2, 3: 3, 5: 5}


def test_a_row_of_a_file_is_loaded_whatever_its_partition_label_is(scene: Scene) -> None:
    """Such as a download of a table partitioned by month; and it is noticed when it comes late."""
    early = charge("2024-11-08", 1.0, _PARTITIONTIME="2024-10-01 00:00:00+00")
    scene.write([*ROWS, early, charge("2024-11-08", 8.0)])
    document = scene.catch_up()
    assert [run["status"] for run in document["runs"]] == ["COMPLETED"] and not document["notes"]
    assert scene.costs()[8] == 9 and scene.ran() == []
    scene.write([*ROWS, early, early, charge("2024-11-08", 8.0)])
    assert scene.ran() == [("08", "08", "COMPLETED")]
    assert scene.costs()[8] == 10 and scene.ran() == []


def test_after_a_change_of_accounts_the_complete_export_is_compared(scene: Scene) -> None:
    other = [
        charge(f"2024-11-0{n}", 10.0, billing_account_id="01DDDD-EEEEEE-FFFFFF") for n in (1, 2)
    ]
    scene.world.add("late", scene.export, "--billing-account", ROWS[0]["billing_account_id"])
    scene.write([*ROWS, *other])
    assert scene.ran() == []
    scene.world.add("late", scene.export, "--all-accounts")
    assert scene.ran() == [("01", "02", "COMPLETED")]
    assert scene.costs() == {1: 11, 2: 12, 3: 3, 5: 5}


@pytest.mark.usefixtures("by_partitions")
def test_a_failed_range_leaves_the_others_alone_and_is_run_again_apart(scene: Scene) -> None:
    bad = charge("2024-11-07", 7.0, cost_type="surprise")
    scene.write([*ROWS, LATE, bad])
    assert scene.ran(code=1) == [("06", "07", "FAILED"), ("01", "01", "COMPLETED")]
    assert scene.marks()[-1] == (THIRD, date(2024, 11, 20), 3, False), "the mark stays"
    scene.write([*ROWS, LATE, bad, charge("2024-11-08", 8.0)])
    assert scene.ran(code=1) == [("08", "08", "COMPLETED"), ("06", "07", "FAILED")]
    scene.write([*ROWS, LATE, charge("2024-11-07", 7.0), charge("2024-11-08", 8.0)])
    assert scene.ran() == [("06", "07", "COMPLETED")]
    assert scene.ran() == []


def test_a_catch_up_killed_in_between_is_resumed(scene: Scene, monkeypatch) -> None:
    """The process dies after the newest range, when the bill of the next is written already."""
    scene.write([*ROWS, LATE, charge("2024-11-06", 6.0)])

    class Killed(BaseException): ...

    work = SharedWorker.run
    jobs: list[Any] = []

    def run(self: SharedWorker, job: Any, *args: Any, **ticks: Any) -> Outcome:
        outcome = work(self, job, *args, **ticks)
        jobs.append(job)
        if len(jobs) == 2:
            raise Killed
        return outcome

    with monkeypatch.context() as patch:
        patch.setattr(SharedWorker, "run", run)
        patch.setattr(
            "runner.orchestration.step_log.finish", lambda *args: (_ for _ in ()).throw(Killed)
        )
        with pytest.raises(Killed):
            scene.catch_up()
    assert len(scene.marks()) == 1, "an unfinished catch-up leaves no row"
    scene.world.control(
        "update late.x_meta_pipeline_runs set worker_instance = null, lease_expires_at = ?"
        " where status = 'RUNNING'",
        datetime(2024, 1, 1),
    )
    again = scene.ran()
    assert set(again) == {("06", "06", "COMPLETED"), ("01", "01", "COMPLETED")} or again == [
        ("01", "01", "COMPLETED")
    ]
    assert scene.costs() == {1: Decimal("0.5"), 2: 2, 3: 3, 5: 5, 6: 6}
    assert scene.ran() == []


def test_ranges_are_joined_to_what_the_quota_leaves_and_a_refusal_leaves_the_rest(
    scene: Scene,
) -> None:
    rows = [*ROWS, *(charge(f"2024-11-{n}", 1.0) for n in ("09", "10", "12", "20"))]
    moved = [charge("2024-11-03", 0.25), charge("2024-11-01", 0.25, _PARTITIONTIME=None)]
    scene.world("tenant", "update", "late", "--daily-limit", "2")
    scene.write([*rows, *moved])
    document = scene.catch_up()
    (run,) = document["runs"]
    assert (run["run_date"], run["to_date"]) == ("2024-11-01", "2024-11-20")
    assert "joined to 1" in document["notes"][0]
    scene.write([*rows, *moved, charge("2024-11-20", 2.0), charge("2024-11-21", 2.0)])
    document = scene.catch_up(code=3)
    (run,) = document["runs"]
    assert run["status"] == "REFUSED" and not document["complete"]
    scene.world("tenant", "update", "late", "--daily-limit", "9")
    assert scene.ran() == [("20", "21", "COMPLETED")]


def test_an_export_without_partitions_is_read_complete_each_time(tmp_path: Path) -> None:
    world = a_world(tmp_path)
    export = write_ndjson(tmp_path / "exports" / "late.ndjson.gz", ROWS)
    world.add("late", export)
    scene = Scene.__new__(Scene)
    scene.world, scene.export = world, export
    assert scene.ran() == [("01", "05", "COMPLETED")] and scene.ran() == []
    write_ndjson(export, [*ROWS[1:], charge("2024-11-02", 1.0)])
    document = scene.catch_up()
    assert [run["run_date"] for run in document["runs"]] == ["2024-11-02"]
    assert document["skipped"] == ["2024-11-01"], "the file has the last months only"


def test_one_tenants_failure_leaves_the_others_alone(scene: Scene, tmp_path: Path) -> None:
    gone = write_parquet(tmp_path / "exports" / "gone.parquet", ROWS)
    scene.world.add("mini", gone)
    gone.unlink()
    scene.world.add("field", write_parquet(tmp_path / "exports" / "quiet.parquet", ROWS))
    scene.world("tenant", "suspend", "field")
    scene.write([*ROWS, LATE])
    answer = scene.world("catch-up", "--all-tenants", "--json")
    assert answer.exit_code == 1
    found = {one["tenant_id"]: one for one in json.loads(answer.stdout)["tenants"]}
    assert set(found) == {"mini", "late"}, "a suspended tenant is not asked"
    assert found["mini"]["error"] and found["late"]["complete"]
    assert scene.costs()[1] == Decimal("0.5")


@pytest.mark.usefixtures("by_partitions")
def test_a_partition_that_is_yet_to_come_does_not_end_catch_up(scene: Scene) -> None:
    future = charge("2024-11-05", 7.0, _PARTITIONTIME="2099-01-01 00:00:00+00")
    scene.write([*ROWS, future])
    assert scene.ran() == [("05", "05", "COMPLETED")]
    assert scene.marks()[-1][1] == datetime.now(UTC).date()
    # A mark of before that was kept is no bound either.
    scene.world.control(
        "update late.x_meta_catch_ups set newest_partition = '2099-01-01', checked_at = ?"
        " where newest_partition > '2025-01-01'",
        datetime(2024, 11, 10),
    )
    late = {"_PARTITIONTIME": "2024-11-20 00:00:00+00"}
    scene.write([*ROWS, future, charge("2024-11-02", 1.0, **late)])
    assert scene.ran() == [("02", "02", "COMPLETED")]


def test_a_range_joined_for_the_quota_takes_in_no_date_whose_rows_expired(scene: Scene) -> None:
    """Only dates that moved were held before: the second is as it was loaded."""
    scene.world("tenant", "update", "late", "--daily-limit", "2")
    late = {"_PARTITIONTIME": "2024-11-20 00:00:00+00"}
    early = [charge(f"2024-11-0{n}", 4.0, **late) for n in (4, 6)]
    scene.write([*ROWS, *early])
    scene.world("tenant", "update", "late", "--daily-limit", "9")
    assert scene.ran() == [("06", "06", "COMPLETED"), ("04", "04", "COMPLETED")]
    scene.world("tenant", "update", "late", "--daily-limit", "4")
    # What was partitioned before the 20th has expired.
    scene.write([*early, *(charge(f"2024-11-0{n}", 0.5, **late) for n in (4, 6))])
    document = scene.catch_up(code=3)
    assert [(run["run_date"][8:], run["status"]) for run in document["runs"]] == [
        ("06", "COMPLETED"),
        ("04", "REFUSED"),
    ]
    assert scene.costs() == {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: Decimal("4.5")}


def test_an_export_that_stopped_fails_the_catch_up_and_a_run_of_yesterday(scene: Scene) -> None:
    """A sample of 2024 has not stopped; what was billed this month and has no more rows has."""
    now = datetime.now(UTC)
    days = [(now - timedelta(days=n)).date().isoformat() for n in (6, 5)]
    scene.write([*ROWS, *(charge(day) for day in days)])
    assert scene.catch_up()["error"] is None, "it has just been loaded for the first time"
    for _ in range(2):
        document = scene.catch_up(code=1)
        (run,) = document["runs"]
        assert (run["run_date"], run["status"]) == (f"{now.date() - timedelta(days=1)}", "FAILED")
        assert "has stopped" in document["error"]
    answer = scene.world("catch-up", "--tenant", "late", "--dry-run")
    assert answer.exit_code == 1
    assert "1 date to run" in answer.stdout and "has stopped" in answer.stdout
    fresh = {"export_time": f"{now - timedelta(hours=40):%F %T}+00"}
    scene.write([*ROWS, *(charge(day) for day in days), charge(days[1], **fresh)])
    assert scene.catch_up()["error"] is None


def test_a_signal_ends_the_wait_for_a_tenants_file_and_what_follows_a_range(
    scene: Scene, monkeypatch
) -> None:
    for name, value in scene.world.environ.items():
        monkeypatch.setenv(name, value)
    context = open_context(settings.load(None, None))
    begun: list[Any] = []
    run = SimpleNamespace(id="a-run", deduplicated=False)

    def run_one(context: Any, request: Any, template: Any) -> Any:
        begun.append(request)
        context.stop.now(signal.SIGTERM)
        return SimpleNamespace(
            run=run, status="COMPLETED", covered=True, interrupted=0, outcome=None, rows=1
        )

    monkeypatch.setattr(catching, "run_dates", run_one)

    def catch_up(stop: Stop) -> None:
        known = tenants.known(context.store, "late")
        catching.catch_up(replace(context, stop=stop), known, "me")

    with context.dataset.exclusive("late"), pytest.raises(Interrupted) as stop:
        catch_up(Stop(signal.SIGINT))
    assert stop.value.number == signal.SIGINT
    scene.write([*ROWS, LATE, charge("2024-11-06", 6.0)])
    after_the_first = Stop()
    with pytest.raises(Interrupted):
        catch_up(after_the_first)
    assert len(begun) == 1


def test_when_nothing_moved_dbt_is_never_imported(scene: Scene) -> None:
    program = (
        "import sys, runner.cli.app\n"
        "try: runner.cli.app.cli(['catch-up', '--tenant', 'late'])\n"
        "except SystemExit as end: code = end.code\n"
        "heavy = [m for m in sys.modules if m.startswith(('dbt', 'google.cloud.bigquery'))]\n"
        "print(code, heavy, file=sys.stderr)"
    )
    answer = subprocess.run(
        ["env", sys.executable, "-c", program],
        env={**SYSTEM, "PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", **scene.world.environ},
        capture_output=True,
        text=True,
    )
    assert answer.stderr.strip().splitlines()[-1] == "0 []", answer.stderr
    assert "nothing to run" in answer.stdout
