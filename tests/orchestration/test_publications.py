"""Which run published which date: in its record, in `status`, rerun where layers disagree."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from control_file import DAY, Control, judge, publish
from given import a_node
from test_run import run, start

from runner.cli import reports
from runner.dates import DateRange
from runner.doctor import tenant
from runner.doctor.check import CheckResult, Scope
from runner.engine.job import Outcome
from runner.orchestration import publications, read_back, standing
from runner.orchestration.standing import Publication, Standing

BILL, SILVER, MART = "billing_cost_daily", "gcp_silver_cost", "cost_daily"
NEXT = DAY + timedelta(days=1)
AT = datetime(2024, 11, 8, tzinfo=UTC)


def one(run_id: str, table: str, day: date = DAY, minutes: int = 0, *read: str) -> Publication:
    at = AT + timedelta(minutes=minutes)
    return Publication(run_id, table, day, day, 2, None, 7, read, at)


def data_file(control: Control) -> Path:
    return control.path.parent / "tenant_acme.duckdb"


@pytest.fixture
def publishing(control: Control, dbt, monkeypatch: pytest.MonkeyPatch):
    """A dbt that publishes what it is given, as its own run, before it ends."""
    reported: list[tuple[Any, ...]] = []
    dbt_run = dbt.run

    def publishes(self: Any, job: Any, *args: Any, **ticks: Any) -> Outcome:
        outcome = dbt_run(self, job, *args, **ticks)
        with duckdb.connect(str(data_file(control))) as connection:
            for write, *values in reported:
                write(connection, job.vars["pipeline_logging_id"], *values)
        return outcome

    monkeypatch.setattr(dbt, "run", publishes)
    return reported


# -- A run's record


def test_a_run_copies_what_it_published_into_its_record(control, dbt, publishing) -> None:
    def bill(connection: Any, run_id: str) -> None:
        at, net = AT, {"USD": "1.500000000", "EUR": "-0.100000000"}
        publish(connection, run_id, BILL, DAY, NEXT, at=at, rows=2, net=net)
        publish(connection, run_id, SILVER, DAY, NEXT, read=(BILL,), at=at + timedelta(seconds=1))
        publish(connection, "another", MART, DAY)

    publishing.append((bill,))
    report = start(control, DAY, NEXT)
    text = control.value("select publications from acme.x_meta_pipeline_runs")
    first, second = json.loads(text)
    assert first == {
        "table": BILL,
        "from_date": "2024-11-01",
        "to_date": "2024-11-02",
        "rows": 4,
        "net": {"USD": "3.000000000", "EUR": "-0.200000000"},
        "expectations_passed": 7,
        "read_tables": [],
        "published_at": "2024-11-08T00:00:00+00:00",
    }
    assert (second["table"], second["net"], second["read_tables"]) == (SILVER, None, [BILL])
    assert control.value("select row_count from acme.x_meta_step_logs where step_name=?", BILL) == 4
    assert report.status == "COMPLETED"
    (read, _) = publications.of_record(report.run.id, text)
    assert read.net == {"USD": Decimal(3), "EUR": Decimal("-0.2")} and read.published_at == AT


def test_a_failed_run_keeps_what_it_published_and_reports_what_readers_see(
    control, dbt, publishing
) -> None:
    def bill_only(connection: Any, run_id: str) -> None:
        publish(connection, "before", BILL, DAY, at=AT)
        publish(connection, "before", SILVER, DAY, read=(BILL,), at=AT)
        publish(connection, run_id, BILL, DAY)
        failed = {
            **{"expectation": "keeps_every_charge", "description": "", "status": "fail"},
            **{"failing_rows": 2, "node": f"model.p.{SILVER}", "samples": ['{"rows": 1}']},
        }
        judge(connection, run_id, SILVER, "FAIL", failed, passed=4)

    publishing.append((bill_only,))
    node = a_node(SILVER, "error", "model")
    dbt.outcome = Outcome(False, f"{SILVER}: x", (a_node(BILL, "success", "model"), node))
    report = run(control)
    reported = (
        "gcp_silver_cost was not published: keeps_every_charge failed for 2 rows, for example"
        ' {"rows": 1}. Published before the failure: billing_cost_daily. The other tables still'
        " have the rows of run before of 2024-11-08 00:00 UTC."
    )
    assert control.runs() == [("FAILED", reported)] and report.outcome.error == reported
    (kept,) = json.loads(control.value("select publications from acme.x_meta_pipeline_runs"))
    assert kept["table"] == BILL
    steps = dict(control.sql("select step_name, error_message from acme.x_meta_step_logs"))
    assert steps[SILVER].startswith("gcp_silver_cost was not published: keeps_every_charge")
    assert reports.test_counts(report) == (4, 0, 1)


def test_a_cancelled_run_records_what_it_had_published(control, dbt, monkeypatch) -> None:
    def cancelled(self: Any, job: Any, on_event: Any, *args: Any, **ticks: Any) -> Outcome:
        run_id = job.vars["pipeline_logging_id"]
        with duckdb.connect(str(data_file(control))) as connection:
            publish(connection, run_id, BILL, DAY)
        control.sql("update acme.x_meta_pipeline_runs set status='CANCELLED', error_message='op'")
        return dbt_run(self, job, on_event, *args, **ticks)

    dbt_run = dbt.run
    monkeypatch.setattr(dbt, "run", cancelled)
    # the stand-in checks that the run is RUNNING, which it no longer is
    monkeypatch.setattr(control, "runs", lambda: [("RUNNING",)])
    run(control)
    (kept,) = json.loads(control.value("select publications from acme.x_meta_pipeline_runs"))
    assert kept["table"] == BILL


def test_data_that_cannot_be_read_changes_nothing_of_the_runs_end(control, dbt) -> None:
    with duckdb.connect(str(data_file(control))) as connection:
        connection.execute("drop table acme.x_meta_publications; drop table acme.x_meta_dq_results")
    assert run(control).status == "COMPLETED"
    assert control.sql("select status, publications from acme.x_meta_pipeline_runs") == [
        ("COMPLETED", None)
    ]


# -- What stands, by records or by data


def test_the_latest_publication_of_a_date_wins_and_dates_that_are_alike_are_one_range() -> None:
    wide = replace(one("a", BILL), last=DAY + timedelta(days=3))
    found = standing.standing([one("b", BILL, DAY, 5), wide, one("a", SILVER, DAY, 1, BILL)])
    assert found == [
        Standing(DAY, DAY, (("a", (SILVER,)), ("b", (BILL,))), (SILVER,)),
        Standing(NEXT, DAY + timedelta(days=3), (("a", (BILL,)),), ()),
    ]


def test_a_table_is_not_behind_a_complete_run_which_builds_it_no_more() -> None:
    published = [one("a", MART, DAY, 0, BILL), one("b", BILL, DAY, 5)]
    assert standing.standing(published)[0].behind == (MART,)
    assert standing.standing(published, {"b"})[0].behind == ()


def test_only_the_dates_asked_for_are_reported() -> None:
    wide = replace(one("a", BILL), last=DAY + timedelta(days=300))
    (found,) = standing.standing([wide], (), DateRange(NEXT, NEXT))
    assert (found.first, found.last) == (NEXT, NEXT)


def test_readers_of_a_first_failed_run_see_nothing() -> None:
    assert standing.readers_see("r", []) == "Nothing is published for these dates."
    assert standing.readers_see("r", [one("r", BILL)]) == (
        "Published before the failure: billing_cost_daily. No other table has these dates."
    )
    assert standing.readers_see("r", [one("a", BILL, DAY), one("b", SILVER, DAY, 1)]) == (
        "All tables still have the rows of run a of 2024-11-08 00:00 UTC and 1 later."
    )


def test_status_reports_which_run_published_each_date(control, runner) -> None:
    ids = [control.add_run(day=DAY, to_day=NEXT), control.add_run("FAILED", day=NEXT)]
    dead = control.add_run("FAILED", day=NEXT)
    layers = [replace(one("", BILL), last=NEXT), replace(one("", SILVER, DAY, 1, BILL), last=NEXT)]
    for run_id, published in zip(ids, (layers, [one("", BILL, NEXT, 9)]), strict=True):
        control.sql(
            "update acme.x_meta_pipeline_runs set publications = ? where pipeline_logging_id = ?",
            publications.as_text(published),
            run_id,
        )
    reported = " ".join(runner("status", ids[0], "--tenant", "acme").output.split())
    assert "published 2024-11-01: 2 tables by this run" in reported
    assert f"published 2024-11-02: {SILVER} by this run; {BILL} by run {ids[1]}" in reported
    assert f"older than the tables that they read: {SILVER}" in reported
    assert "rebuild older tables with: runner catch-up --tenant acme" in reported
    assert f"run {dead} ended before it recorded what it published" in reported
    document = json.loads(runner("status", ids[0], "--tenant", "acme", "--json").output)
    assert [one["table"] for one in document["publications"]] == [BILL, SILVER]
    assert [one["layers_agree"] for one in document["published_dates"]] == [True, False]


# -- The tenant's data


@pytest.fixture
def layers(control: Control, dbt) -> Control:
    """Two dates of three tables by run `old`; the bill of the second is newer, by run `killed`."""
    with duckdb.connect(str(data_file(control))) as connection:
        for n, (table, read) in enumerate(((BILL, ()), (SILVER, (BILL,)), (MART, (SILVER,)))):
            at = AT + timedelta(minutes=n)
            publish(connection, "old", table, DAY, NEXT, read=read, at=at)
        publish(connection, "killed", BILL, NEXT, at=AT + timedelta(minutes=9))
    return control


def test_a_table_that_is_older_than_one_that_it_reads_is_found(layers: Control) -> None:
    ((found,), _) = publications.disagreeing(layers.context.dataset, "acme", ())
    assert found == {"usage_date": NEXT, "target_table": SILVER, "newer_run": "killed"}
    assert publications.disagreeing(layers.context.dataset, "acme", {"killed"}, BILL)[0] == []


def test_a_table_whose_name_begins_like_another_is_distinguished(layers: Control) -> None:
    with duckdb.connect(str(data_file(layers))) as connection:
        connection.execute("delete from acme.x_meta_publications")
        publish(connection, "old", MART, DAY, read=("gcp_silver_cost_more",), at=AT)
        publish(connection, "new", SILVER, DAY, at=AT + timedelta(minutes=1))
    assert publications.disagreeing(layers.context.dataset, "acme", ())[0] == []


def checked(layers: Control) -> CheckResult:
    return tenant.layers(Scope(layers.settings, lambda: layers.context, "acme"))


def test_doctor_names_the_dates_whose_layers_disagree(layers: Control) -> None:
    assert checked(layers) == CheckResult(
        "warn",
        "layers disagree on 2024-11-02: gcp_silver_cost older than what they read",
        "runner catch-up --tenant acme",
    )


def test_doctor_names_what_was_never_built_and_else_who_published(layers: Control) -> None:
    with duckdb.connect(str(data_file(layers))) as connection:
        connection.execute("delete from acme.x_meta_publications where usage_date = ?", [NEXT])
        publish(connection, "old", SILVER, NEXT, read=(BILL,), at=AT)
    result = checked(layers)
    remedy = "runner run --tenant acme --from 2024-11-02 --to 2024-11-02"
    assert (result.status, result.remedy) == ("warn", remedy)
    assert result.detail.startswith("not built: billing_cost_daily on 2024-11-02")
    with duckdb.connect(str(data_file(layers))) as connection:
        publish(connection, "old", BILL, NEXT, at=AT - timedelta(minutes=1))
    assert checked(layers) == CheckResult(
        "ok", "2024-11-02: 2 tables by run old; 2024-11-01: 3 tables by run old"
    )


def test_what_the_data_reports_is_read_back(layers: Control) -> None:
    taken = layers.take(DAY, NEXT)
    assert read_back.published(layers.context.dataset, replace(taken, id="killed")) == (
        one("killed", BILL, NEXT, 9),
    )
