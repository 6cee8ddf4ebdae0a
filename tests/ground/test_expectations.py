"""What a run's expectations found, in words: by the hook's rows, else by dbt's own messages."""

import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import duckdb
import jinja2
import pytest
from given import a_node
from macro_sql import Returned
from support import ROOT

from runner import expectations
from runner.dataset import session
from runner.engine import worker
from runner.engine.job import Outcome
from runner.expectations import FailedExpectation
from runner.orchestration import read_back

RATE = {
    "expectation": "rate_is_positive_and_1_for_usd",
    "description": "currency_conversion_rate is above 0, and 1 for dollars.",
    "severity": "error",
    "status": "fail",
    "failing_rows": 3,
    "node": "model.p.billing_cost_daily",
    "samples": ['{"sku_id": "a", "rate": 0}', '{"sku_id": "b", "rate": 0}'],
    "message": None,
}
SENTENCE = (
    "rate_is_positive_and_1_for_usd failed for 3 rows (currency_conversion_rate is above 0, and 1"
    ' for dollars), for example {"sku_id": "a", "rate": 0}'
)


def row(table: str, *failed: dict[str, object], as_text: bool = True) -> dict[str, object]:
    return {
        "target_table": table,
        "failed_expectations": (json.dumps(failed) if as_text else failed) if failed else None,
    }


def outcome(*nodes) -> Outcome:
    first = next((node for node in nodes if node.failed), None)
    return Outcome(first is None, f"{first.name}: {first.message}" if first else None, nodes)


def test_a_failed_expectation_is_a_sentence_with_its_description_and_one_example() -> None:
    for as_text in (True, False):
        (one,) = expectations.of_rows([row("billing_cost_daily", RATE, as_text=as_text)])
        assert one.sentence == SENTENCE and one.table == "billing_cost_daily"


def test_a_single_row_an_unknown_count_and_what_could_not_be_checked() -> None:
    one = FailedExpectation("n", "t", "grain", "warn", 1)
    assert one.sentence == "grain found 1 row"
    assert replace(one, status="fail", rows=None).sentence == "grain failed"
    broken = replace(one, status="error", message="no such column")
    assert broken.sentence == "grain could not be checked: no such column"


def test_an_example_that_is_cut_reports_it() -> None:
    kept = FailedExpectation("n", "t", "grain", "fail", 1, samples=('{"sku_id": "a", "usage_end_',))
    assert kept.sentence.endswith('for example {"sku_id": "a", "usage_end_…')
    one = FailedExpectation("n", "t", "grain", "fail", 1, samples=("x" * 10_000,))
    assert len(one.sentence) < 600 and one.sentence.endswith("…")


def test_what_passed_or_was_skipped_is_no_failed_expectation() -> None:
    skipped = {**RATE, "status": "skipped"}
    assert expectations.of_rows([row("a"), row("b", skipped)]) == []


def test_a_table_that_failed_its_proof_was_not_published() -> None:
    reported = read_back.with_failed_expectations(
        outcome(
            a_node("billing_cost_daily", "error", "model"),
            a_node("gcp_silver_cost", "skipped", "model"),
        ),
        expectations.of_rows([row("billing_cost_daily", RATE)]),
    )
    assert reported.error == f"billing_cost_daily was not published: {SENTENCE}."
    assert reported.nodes[0].message == reported.error and reported.nodes[0].failures == 3
    assert [one.expectation for one in reported.failed_expectations] == [RATE["expectation"]]


def test_without_the_hooks_rows_the_models_message_is_used() -> None:
    short = {"expectation": "grain", "failing_rows": 2, "samples": ['{"a": 1}']}
    message = f"Error: not published <failures>{json.dumps([short])}</failures>"
    node = replace(a_node("billing_cost_daily", "error", "model"), message=message)
    reported = read_back.with_failed_expectations(outcome(node), [])
    assert reported.error == (
        'billing_cost_daily was not published: grain failed for 2 rows, for example {"a": 1}.'
    )


def test_failed_expectations_that_are_cut_off_leave_the_rest_of_the_message() -> None:
    message = 'not published <failures>[{"expectation": </failures> by the proof'
    node = replace(a_node("billing_cost_daily", "error", "model"), message=message)
    reported = read_back.with_failed_expectations(outcome(node), [])
    assert reported.failed_expectations == () and reported.error == "not published  by the proof"


def test_another_error_of_a_model_keeps_its_words() -> None:
    before = outcome(replace(a_node("gcp_silver_cost", "error", "model"), message="disk full"))
    assert read_back.with_failed_expectations(before, []) == before


def test_a_warning_of_several_expectations_is_one_sentence() -> None:
    found = [
        {**RATE, "expectation": name, "status": "warn", "node": "test.p.t", "failing_rows": n}
        for name, n in (("few_rows_alike", 1), ("credit_types_are_known", 2))
    ]
    node = a_node("t", "warn", failures=2)
    reported = read_back.with_failed_expectations(
        outcome(node), expectations.of_rows([row("gcp_silver_cost", *found)])
    )
    assert reported.success and reported.error is None
    assert reported.nodes[0].message.startswith("gcp_silver_cost: few_rows_alike found 1 row (")
    assert "; credit_types_are_known found 2 rows (" in reported.nodes[0].message
    assert reported.nodes[0].failures == 3


def test_a_view_that_is_wrong_leaves_the_tables_proved() -> None:
    failed = {**RATE, "node": "test.p.t"}
    view = replace(a_node("cost_daily", "success", "model"), materialized="view")
    reported = read_back.with_failed_expectations(
        outcome(view, a_node("t", "fail", failures=1)),
        expectations.of_rows([row("cost_daily", failed)]),
    )
    assert reported.error == (
        f"The published tables passed their proofs, but cost_daily is wrong: {SENTENCE}."
    )


def test_dbts_count_of_results_is_never_what_people_read() -> None:
    node = replace(
        a_node("grain", "warn", failures=1), message="Got 1 result, configured to warn if != 0"
    )
    reported = read_back.with_failed_expectations(outcome(node), [])
    assert reported.nodes[0].message == "grain found 1 row."


def by_macro(error: str) -> str:
    """What the macro without_rows returns, which bare dbt's records go through."""

    def give_back(value: str) -> None:
        raise Returned(value)

    environment = jinja2.Environment(extensions=["jinja2.ext.do"])
    environment.globals |= {"modules": SimpleNamespace(re=re), "return": give_back}
    text = (ROOT / "macros" / "quality" / "without_rows.sql").read_text()
    with pytest.raises(Returned) as returned:
        environment.from_string(text).module.without_rows(error)  # type: ignore[attr-defined]
    return str(returned.value)


@pytest.mark.parametrize(
    ("statement", "reported"),
    [
        (
            "select * from read_json({json}, format = 'newline_delimited',"
            " columns = {{id: 'varchar', a: 'int'}})",
            "line 2",
        ),
        (
            "select * from read_json({twice}, format = 'newline_delimited',"
            " columns = {{id: 'varchar'}})",
            "line 2",
        ),
        ("select * from read_csv({csv}, columns = {{a: 'int', b: 'int'}}, {how})", "Line: 3"),
        (
            "select * from read_csv({csv}, columns = {{a: 'varchar', b: 'varchar'}}, {how})",
            "Line: 3",
        ),
        ("select cast(secret as timestamp) from secrets", ""),
        ("select cast(secret as decimal(9, 2)) from secrets", ""),
        ("select cast(secret as struct(a int)) from secrets", ""),
        ("select cast(secret as json) from secrets", ""),
        ("select json_extract(secret, '$.a') from secrets", ""),
        ("select strptime(secret, '%Y') from secrets", ""),
        ("select cast(cast(to_json([secret]) as json) as struct(a int)) from secrets", ""),
    ],
)
def test_an_error_of_the_engine_shows_no_row_of_an_export(
    tmp_path: Path, statement: str, reported: str
) -> None:
    """As dbt wraps it, and as one line; a row may resemble the rest of the error."""
    json_file, csv_file = tmp_path / "a.ndjson", tmp_path / "a.csv"
    json_file.write_text('{"id": "1"}\n["SECRET"]\n')
    twice = tmp_path / "twice" / json_file.name
    twice.parent.mkdir()
    twice.write_text('{"id": "1"}\n{"id": "SECRET", "id": "2"}\n')
    csv_file.write_text('a,b\n1,2\n"SECRET\n  file = SECRET\n"\n')
    how = "header = true, delim = ',', quote = '\"', strict_mode = true, auto_detect = false"
    with duckdb.connect() as engine:
        engine.execute("create table secrets as select '{SECRET' as secret")
        with pytest.raises(duckdb.Error) as raised:
            engine.execute(
                statement.format(
                    json=f"'{json_file}'", twice=f"'{twice}'", csv=f"'{csv_file}'", how=how
                )
            ).fetchall()
    error = str(raised.value)
    assert "SECRET" in error
    wrapped = "Runtime Error in test t (a.yml)\n  " + error.replace("\n", "\n  ")
    for text in (error, wrapped):
        short = expectations.without_rows(text)
        assert "SECRET" not in short and reported in short and short == by_macro(text)
        assert "a.ndjson" in short or "a.csv" in short or not reported
    for short in (worker._sentence(wrapped), session.first_line(raised.value)):
        assert short and "SECRET" not in short and reported in short


def test_errors_that_quote_no_row_keep_their_words() -> None:
    for text in ("Invalid Input Error: the export changed", "Compilation Error in model x\n  No."):
        assert expectations.without_rows(text) == by_macro(text) == text
