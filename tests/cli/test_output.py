"""What a command prints at its end, for people and machines."""

import io
import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from given import FAILED, REPORTED, a_node, a_run
from hypothesis import given, settings
from hypothesis import strategies as st
from support import ROOT

from runner.cli import lists, reports
from runner.cli.progress import Progress
from runner.cli.text import columns
from runner.control.quota import Limit, Quota
from runner.dates import DateRange
from runner.doctor import check
from runner.engine.job import Event, Outcome
from runner.expectations import FailedExpectation
from runner.orchestration.catch_up import CatchUp
from runner.orchestration.estimate import Estimate
from runner.orchestration.report import Report, Total
from runner.text import money, to_json

PASSED = Outcome(
    True,
    None,
    (
        a_node("billing_cost_daily", "success", "model"),
        *(a_node(f"t{n}", "pass") for n in range(3)),
        a_node("freshness", "warn", failures=1),
    ),
    failed_expectations=(FailedExpectation("test.p.freshness", "stg", "freshness", "warn", 1),),
    expectations_passed=3,
)
TOTALS = (
    Total("EUR", 12, Decimal("10.000000000"), Decimal("-0.000000001"), Decimal("9.999999999")),
    Total("USD", 20928, Decimal("169.309983456"), Decimal("-3.017164800"), Decimal("166.29")),
)
GOOD = Report(a_run(), "COMPLETED", 5321, PASSED, TOTALS, ("freshness found 1 row.",))
DESIGNED = {
    *("pipeline_logging_id", "pipeline_id", "tenant_id", "status", "run_date", "to_date", "rows"),
    *("duration_ms", "deduplicated", "error"),
}


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("0", "0.00"),
        ("0E-9", "0.00"),
        ("1E+3", "1000.00"),
        ("166.292818656", "166.292818656"),
        ("-3.017164800", "-3.0171648"),
        ("0.000000001", "0.000000001"),
        ("-0.5", "-0.50"),
        ("12345678901234567890.123456789", "12345678901234567890.123456789"),
        ("100.100000000", "100.10"),
    ],
)
def test_money_is_shown_exactly_with_at_least_its_cents(amount: str, text: str) -> None:
    assert money(Decimal(amount)) == text


@given(st.decimals(-(10**28), 10**28, places=9, allow_nan=False))
@settings(database=None, deadline=None)
def test_no_amount_is_rounded_by_being_shown(amount: Decimal) -> None:
    shown = money(amount)
    assert Decimal(shown) == amount and "E" not in shown
    assert len(shown.partition(".")[2]) >= 2


def test_the_document_has_the_designed_keys() -> None:
    document = json.loads(to_json(reports.report_document(GOOD)))
    assert set(document) >= DESIGNED
    assert document["rows"] == 20940 and document["duration_ms"] == 5321
    assert (document["run_date"], document["to_date"]) == ("2024-11-01", "2024-11-01")
    assert (document["status"], document["deduplicated"], document["error"]) == (
        "COMPLETED",
        False,
        None,
    )
    assert document["tests"] == {"passed": 3, "warned": 1, "failed": 0}
    assert document["warnings"] == ["freshness found 1 row."]


def test_the_documents_money_is_exact_text() -> None:
    document = json.loads(to_json(reports.report_document(GOOD)))
    assert document["totals"][1]["cost"] == "169.309983456"
    assert document["totals"][0]["credits"] == "-0.000000001"


def test_a_failures_document_has_its_error_and_counts() -> None:
    document = reports.report_document(Report(a_run(), "FAILED", 10, REPORTED))
    assert set(document) >= DESIGNED
    assert document["error"] == REPORTED.error and document["rows"] == 0
    assert document["tests"] == {"passed": 0, "warned": 0, "failed": 2}


def test_a_duplicates_document_has_the_designed_keys() -> None:
    run = a_run(status="RUNNING", deduplicated=True)
    document = reports.report_document(Report(run, "RUNNING", 0))
    assert set(document) >= DESIGNED and document["deduplicated"] is True


def test_times_in_documents_are_iso() -> None:
    at = datetime(2024, 11, 1, 2, 3, tzinfo=UTC)
    assert json.loads(to_json({"at": at, "on": date(2024, 11, 1)})) == {
        "at": "2024-11-01T02:03:00+00:00",
        "on": "2024-11-01",
    }


def test_a_summary_has_what_people_want_to_read() -> None:
    text = reports.summary(GOOD, "warehouse/tenant_acme.duckdb, tables acme.*")
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert lines[0] == "COMPLETED acme 2024-11-01 in 5.3 s"
    assert "bill currency rows gross credits net" in lines
    assert "bill EUR 12 10.00 -0.000000001 9.999999999" in lines
    assert "bill USD 20,928 169.309983456 -3.0171648 166.29" in lines
    assert "tests 3 passed, 1 warned, 0 failed" in lines
    assert "warning freshness found 1 row." in lines
    assert "data warehouse/tenant_acme.duckdb, tables acme.*" in lines
    assert any(line.startswith("next runner status") for line in lines)


def test_a_failures_summary_has_the_reason_and_the_next_command() -> None:
    text = reports.summary(Report(a_run(), "FAILED", 10, FAILED), "somewhere")
    assert FAILED.error in text and "runner run --tenant acme --date 2024-11-01" in text


def test_what_to_run_next_names_the_pipeline_and_the_target() -> None:
    run = a_run(template="gcp/cost/other", to_date=date(2024, 11, 2))
    text = reports.summary(Report(run, "FAILED", 10, FAILED), "somewhere", "bigquery")
    again = "runner run --tenant acme --pipeline gcp/cost/other --from 2024-11-01 --to 2024-11-02"
    assert f"runner status {run.id} --tenant acme --target bigquery, then {again}" in text
    assert text.endswith(" --target bigquery")


def test_an_empty_dates_summary_has_no_rows_and_the_warning() -> None:
    warning = "0 rows: the export has no usage for these dates yet"
    text = reports.summary(Report(a_run(), "COMPLETED", 10, PASSED, (), (warning,)), "x")
    assert "no rows" in text and warning in text


def test_a_duplicates_summary_names_the_run_that_goes_on() -> None:
    run = a_run(status="RUNNING", deduplicated=True)
    text = reports.summary(Report(run, "RUNNING", 0), "x")
    assert run.id in text and "nothing was started" in text


def test_columns_are_aligned() -> None:
    rows = [("name", "n"), ("a", 1), ("bcd", 1000)]
    assert columns(rows) == ["name      n", "a         1", "bcd   1,000"]


def test_a_list_without_runs_is_a_sentence() -> None:
    assert lists.run_list([]) == "No such runs."


def test_a_list_of_runs_keeps_each_on_a_line() -> None:
    ended = replace(a_run(), row_count=5000, duration_ms=1500, error_message="a\nb " * 50)
    lines = lists.run_list([ended, a_run(trigger_by=None)]).splitlines()
    assert len(lines) == 3 and "5,000" in lines[1] and "1.5" in lines[1]


def test_a_quota_shows_what_is_left_and_when_it_resets() -> None:
    resets = datetime(2024, 11, 2, tzinfo=UTC)
    limits = (Limit("daily", 2, 6, resets), Limit("concurrent", 1, 3, None))
    text = lists.quota(Quota("acme", "ACTIVE", "STARTER", "ACTIVE", limits))
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "daily 2 6 4 2024-11-02 00:00" in lines and "concurrent 1 3 2 when a run ends" in lines


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch):
    """A stderr that is a terminal, or is not."""

    def make(terminal: bool) -> io.StringIO:
        stream = io.StringIO()
        monkeypatch.setattr(stream, "isatty", lambda: terminal)
        monkeypatch.setattr("sys.stderr", stream)
        return stream

    return make


def test_progress_counts_each_job_of_a_command_anew(screen) -> None:
    stream = screen(False)
    with Progress() as shown:
        for _ in range(3):
            shown.follow(Event("planned", nodes=2))
            for name in ("a", "b"):
                shown.follow(Event("finished", name, name, "model", "success"))
    places = [line.split(" ")[0] for line in stream.getvalue().splitlines()]
    assert places == ["[1/2]", "[2/2]"] * 3


def progress() -> None:
    with Progress() as shown:
        shown.follow(Event("planned", nodes=3))
        shown.follow(Event("started", "m", "gcp_silver_cost", "model"))
        shown.follow(Event("finished", "m", "gcp_silver_cost", "model", "success"))
        shown.follow(Event("started", "t", "grain", "test"))
        shown.follow(Event("finished", "t", "grain", "test", "pass"))
        shown.follow(Event("started", "u", "bad", "test"))
        shown.follow(Event("finished", "u", "bad", "test", "fail"))


def test_a_terminal_is_shown_the_current_model_the_count_and_the_time(screen) -> None:
    stream = screen(True)
    progress()
    assert "\r" in stream.getvalue() and "\n" not in stream.getvalue()
    assert "[0/3] gcp_silver_cost" in stream.getvalue() and " s  " in stream.getvalue()


def test_a_log_is_given_plain_lines_of_models_and_tests_that_did_not_pass(screen) -> None:
    stream = screen(False)
    progress()
    assert "\r" not in stream.getvalue() and "\033" not in stream.getvalue()
    lines = stream.getvalue().splitlines()
    assert "[1/3] model gcp_silver_cost: success" in lines and "[3/3] test bad: fail" in lines
    assert not any("grain" in line for line in lines)


def documented(command: str) -> set[str]:
    """The keys that docs/json.md has in the table of a command."""
    text = (ROOT / "docs" / "json.md").read_text()
    section = text.split(f"\n## runner {command}\n")[1].split("\n## ")[0]
    keys = [line.split(" | ")[0] for line in section.splitlines() if line.startswith("| `")]
    return {key for cell in keys for key in re.findall("`(\\w+)`", cell)}


def test_the_keys_of_each_document_are_those_of_the_documentation() -> None:
    day = DateRange(date(2024, 11, 1), date(2024, 11, 1))
    estimate = Estimate("acme", day, "t", (), 0, (), Decimal(1), None)
    documents = {
        "run": reports.report_document(GOOD),
        "run --dry-run": reports.estimate_document(estimate),
        "catch-up": reports.catch_up_document(CatchUp("acme", None)),
        "quota": Quota("acme", None, None, None, ()).document(),
        "doctor": check.document([]),
    }
    assert {command: documented(command) for command in documents} == {
        command: set(document) for command, document in documents.items()
    }
