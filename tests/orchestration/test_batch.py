"""A long range in parts, and a range of every tenant. dbt's outcome is given; all else is real."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb
import pytest
from control_file import Control
from given import GOOD
from processes import loaded

from runner.context import Stop
from runner.control import tenants
from runner.control.claim import Trigger
from runner.dates import DateRange
from runner.engine.job import Outcome
from runner.engine.pool import Pool
from runner.errors import UsageProblem
from runner.orchestration import batch
from runner.orchestration.batch import Order
from runner.pipelines import templates

THREE_YEARS = Order(
    templates.DEFAULT, DateRange(date(2022, 1, 1), date(2024, 11, 1)), Trigger("manual", "me")
)
ONE_DAY = replace(THREE_YEARS, dates=DateRange(THREE_YEARS.dates.last, THREE_YEARS.dates.last))


def load(control: Control, order: Order, printed: list[str] | None = None):
    echo = (printed if printed is not None else []).append
    with replace(control.context, echo=echo, pool=Pool(control.settings)) as context:
        return batch.load(context, tenants.known(context.store, "acme"), order)


def dates(dbt: Any) -> list[tuple[str, str]]:
    return [(job.vars["from_date"], job.vars["to_date"]) for job, _ in dbt.jobs]


@pytest.fixture(autouse=True)
def no_jobs(dbt: Any) -> None:
    dbt.jobs.clear()
    dbt.outcome = GOOD


def test_a_long_range_is_a_run_for_each_part(control: Control, dbt: Any) -> None:
    reports = load(control, THREE_YEARS)
    assert dates(dbt) == [
        ("2022-01-01", "2023-01-01"),
        ("2023-01-02", "2024-01-02"),
        ("2024-01-03", "2024-11-01"),
    ]
    assert [report.status for report in reports] == ["COMPLETED"] * 3
    assert control.value("select count(*) from acme.x_meta_pipeline_runs") == 3


def test_the_first_part_that_fails_is_the_last(control: Control, dbt: Any) -> None:
    dbt.outcome = Outcome(False, "the disk is full")
    reports = load(control, THREE_YEARS)
    assert [report.status for report in reports] == ["FAILED"] and len(dbt.jobs) == 1


def test_resume_goes_on_where_it_ended(control: Control, dbt: Any) -> None:
    load(control, replace(THREE_YEARS, dates=DateRange(date(2022, 1, 1), date(2023, 1, 1))))
    dbt.jobs.clear()
    printed: list[str] = []
    load(control, replace(THREE_YEARS, resume=True), printed)
    assert dates(dbt) == [("2023-01-02", "2024-01-02"), ("2024-01-03", "2024-11-01")]
    assert printed[0].startswith("part 1 of 3 (2022-01-01 to 2023-01-01) skipped: run ")
    dbt.jobs.clear()
    assert load(control, replace(THREE_YEARS, resume=True)) == [] and not dbt.jobs


def test_without_resume_all_is_loaded_again(control: Control, dbt: Any) -> None:
    load(control, THREE_YEARS)
    load(control, THREE_YEARS)
    assert len(dbt.jobs) == 6


def test_what_was_loaded_long_ago_or_failed_is_loaded_by_resume(control, dbt) -> None:
    load(control, ONE_DAY)
    before = datetime.now(UTC) - timedelta(days=2)
    control.sql("update acme.x_meta_pipeline_runs set start_time = ?", before)
    load(control, replace(ONE_DAY, resume=True))
    control.sql("update acme.x_meta_pipeline_runs set status = 'FAILED'")
    load(control, replace(ONE_DAY, resume=True))
    assert len(dbt.jobs) == 3


def test_a_part_that_failed_after_it_had_completed_is_loaded_by_resume(control, dbt) -> None:
    load(control, ONE_DAY)
    dbt.outcome = Outcome(False, "it broke")
    load(control, ONE_DAY)
    dbt.outcome = GOOD
    assert [report.status for report in load(control, replace(ONE_DAY, resume=True))] == [
        "COMPLETED"
    ]


def test_what_completed_is_reported_when_a_later_part_is_refused(control, dbt) -> None:
    control.subscribe(daily_limit=1)
    reports = load(control, THREE_YEARS)
    assert [report.status for report in reports] == ["COMPLETED", "REFUSED"]
    assert [report.covered for report in reports] == [True, False]
    assert "daily limit reached" in (reports[1].outcome.error if reports[1].outcome else "")


def test_a_range_in_parts_is_one_document_however_many_are_left(control, dbt, runner) -> None:
    words = ("run", "--tenant", "acme", "--from", "2022-01-01", "--to", "2024-11-01", "--json")
    control.subscribe(daily_limit=2)
    answer = runner(*words)
    document = json.loads(answer.stdout)
    assert answer.exit_code == 3 and document["status"] == "REFUSED"
    assert [run["status"] for run in document["runs"]] == ["COMPLETED", "COMPLETED", "REFUSED"]
    assert [run["covered"] for run in document["runs"]] == [True, True, False]
    assert "--resume" in answer.stderr
    control.subscribe(daily_limit=25)
    answer = runner(*words, "--resume")
    assert answer.exit_code == 0 and len(json.loads(answer.stdout)["runs"]) == 1
    again = json.loads(runner(*words, "--resume").stdout)
    assert (again["status"], again["runs"]) == ("COMPLETED", [])


def all_tenants(control: Control, workers: int = 2):
    names = batch.active_tenants(control.context.store)
    reported: list[str] = []
    with replace(control.context, stop=Stop(), pool=Pool(control.settings)) as context:
        ended = batch.for_all(
            context,
            names,
            lambda own, known: batch.load(own, known, ONE_DAY),
            workers,
            lambda done: reported.append(done.name),
        )
    assert sorted(reported) == [done.name for done in ended]
    return ended


@pytest.fixture
def globex(control: Control) -> None:
    """The other tenant's data, as `dbt` has made acme's."""
    acme = control.path.parent / "tenant_acme.duckdb"
    with duckdb.connect(str(control.path.parent / "tenant_globex.duckdb")) as connection:
        connection.execute(f"attach '{acme}' as acme (read_only)")
        connection.execute("create schema globex")
        connection.execute(
            "create table globex.billing_cost_daily as from acme.acme.billing_cost_daily"
        )


def statuses(ended: Any) -> dict[str, str]:
    return {done.name: batch.status_of(done) for done in ended}


def test_every_active_tenant_is_loaded(control, dbt, globex, monkeypatch) -> None:
    monkeypatch.setattr(dbt, "run", lambda *args, **ticks: GOOD)
    ended = all_tenants(control)
    assert statuses(ended) == {"acme": "COMPLETED", "globex": "COMPLETED"}
    assert batch.exit_code(list(statuses(ended).values())) == 0


def test_ones_failure_leaves_the_others_alone(control, dbt, globex, monkeypatch) -> None:
    monkeypatch.setattr(
        dbt,
        "run",
        lambda self, job, *args, **ticks: (
            Outcome(False, "it broke") if job.tenant_id == "acme" else GOOD
        ),
    )
    ended = all_tenants(control)
    assert statuses(ended) == {"acme": "FAILED", "globex": "COMPLETED"}
    assert batch.message_of(ended[0]) == "it broke" and batch.message_of(ended[1]) == ""
    assert batch.exit_code(list(statuses(ended).values())) == 1


def test_a_refusal_is_reported_and_is_no_failure(control, dbt, globex, monkeypatch) -> None:
    monkeypatch.setattr(dbt, "run", lambda *args, **ticks: GOOD)
    control.subscribe(daily_limit=0)
    ended = all_tenants(control)
    assert statuses(ended) == {"acme": "REFUSED", "globex": "COMPLETED"}
    assert batch.exit_code(list(statuses(ended).values())) == 3


def test_a_suspended_tenant_is_left_out(control: Control) -> None:
    control.sql("update tenants.tenant_profiles set status = 'SUSPENDED' where tenant_id = 'acme'")
    assert batch.active_tenants(control.context.store) == [["globex"]]
    control.sql("update tenants.tenant_profiles set status = 'SUSPENDED'")
    with pytest.raises(UsageProblem, match="No tenant is active"):
        batch.active_tenants(control.context.store)


@pytest.mark.parametrize(
    "args",
    [
        ("--date", "2024-11-01"),
        ("--all-tenants", "--tenant", "acme", "--date", "2024-11-01"),
        ("--all-tenants",),
        ("--tenant", "acme", "--workers", "2", "--date", "2024-11-01"),
        ("--tenant", "acme", "--shard", "0/2", "--date", "2024-11-01"),
        ("--all-tenants", "--dry-run", "--date", "2024-11-01"),
        ("--all-tenants", "--shard", "2/2", "--date", "2024-11-01"),
        ("--all-tenants", "--pipeline", "gcp/cost/nothing", "--date", "2024-11-01"),
    ],
)
def test_a_call_that_makes_no_sense_is_refused_before_anything_runs(control, args) -> None:
    code, names = loaded(control, "run", *args)
    assert code == 2 and "dbt.cli" not in names
    assert control.runs() == []
