"""Each check of the bill finds what was made for it: errors fail the run, warnings do not."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from exports import charge, credit, write_parquet
from support import only
from world import SharedWorker, World, a_world

from runner.engine.job import Job, Outcome

# -- Errors: a row for each test, by the sku that is the test's name without the model's.

OTHERS = "01BBBB-BBBBBB-CCCCCC"
DAY = "2024-11-01"
WRONG: dict[str, list[dict[str, Any]]] = {
    "has_what_every_charge_has": [{"service": {"id": None}}],
    "accounts_have_one_currency": [
        {"billing_account_id": OTHERS},
        {"billing_account_id": OTHERS, "currency": "EUR", "currency_conversion_rate": 0.9},
    ],
    "usage_ends_after_it_starts": [{"usage_end_time": f"{DAY} 11:59:59+00"}],
    "rate_is_positive_and_1_for_usd": [
        {"currency_conversion_rate": 0.9},
        {"currency_conversion_rate": 0.0},
    ],
    "invoice_month_is_a_month": [{"invoice": {"month": "202413"}}],
    "transaction_type_is_known": [{"transaction_type": "BARTER"}],
    "publisher_type_is_known": [{"invoice": {"publisher_type": "UNKNOWN"}}],
    "cost_type_is_known": [{"cost_type": "surprise"}],
    "adjustment_mode_is_known": [{"adjustment_info": {"mode": "HALF", "type": "GOODWILL"}}],
    "adjustment_type_is_known": [
        {"adjustment_info": {"mode": "MANUAL_ADJUSTMENT", "type": "WHIM"}}
    ],
}


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, dict[str, Any]]:
    """A tenant, and the run that loaded all that is wrong with it."""
    rows = [
        charge(DAY, 1.0 + n, sku={"id": name}, **changes)
        for name, made in WRONG.items()
        for n, changes in enumerate(made)
    ]
    world = a_world(tmp_path_factory.mktemp("wrong"))
    world.add("mini", write_parquet(world.folder / "exports" / "e.parquet", rows))
    answer = world("run", "--tenant", "mini", "--date", DAY, "--json")
    assert answer.exit_code == 1, answer.output
    return world, json.loads(answer.stdout)


def results(world: World, tenant: str, run_id: str) -> dict[str, dict[str, Any]]:
    """What x_meta_dq_results has of a run, by table and severity."""
    columns = (
        "dq_config_id, overall_status, severity, expectations_passed, expectations_failed,"
        " failed_rows, failed_expectations, error_message, target_table"
    )
    rows = world.data(
        tenant,
        f"select {columns} from {tenant}.x_meta_dq_results where pipeline_logging_id = ?",
        run_id,
    )
    names = columns.replace(" ", "").split(",")
    return {row[0]: dict(zip(names, row, strict=True)) for row in rows}


def failures(row: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The expectations that did not hold, by name."""
    return {one["expectation"]: one for one in json.loads(row["failed_expectations"] or "[]")}


def leaves(made: Any) -> list[str]:
    """The values that a row was made with, as a sample shows them."""
    if isinstance(made, list | dict):
        parts = made if isinstance(made, list) else made.values()
        return [leaf for part in parts for leaf in leaves(part)]
    return ["null" if made is None else str(made)[:19]]


def test_what_is_wrong_fails_the_run_before_it_is_published(
    wrong: tuple[World, dict[str, Any]],
) -> None:
    world, document = wrong
    assert document["status"] == "FAILED" and document["tests"]["failed"] == len(WRONG)
    statuses = "select distinct status from mini.x_meta_pipeline_runs"
    assert world.control(statuses) == [("FAILED",)]
    made = "select 1 from duckdb_tables() where table_name in ('gcp_silver_cost', ?)"
    assert world.data("mini", made, "billing_cost_daily") == []
    assert document["error"].startswith("billing_cost_daily was not published: ")
    assert "Nothing is published for these dates" in document["error"]


@pytest.mark.parametrize("name", WRONG)
def test_each_error_is_found_and_its_rows_are_shown(
    wrong: tuple[World, dict[str, Any]], name: str
) -> None:
    found = results(wrong[0], "mini", wrong[1]["pipeline_logging_id"])
    row = found["billing_cost_daily__error"]
    assert (row["overall_status"], row["severity"]) == ("FAIL", "error")
    one = failures(row)[name]
    assert one["status"] == "fail" and one["node"].endswith(".billing_cost_daily")
    assert 1 <= len(one["samples"]) <= 5
    assert any(value in sample for value in leaves(WRONG[name]) for sample in one["samples"])
    assert f"{name} failed for {one['failing_rows']} row" in wrong[1]["error"]
    if name == "accounts_have_one_currency":
        assert one["failing_rows"] == 2 and OTHERS in one["samples"][0]
    else:
        assert one["failing_rows"] == len(WRONG[name])


def test_a_table_has_one_row_per_severity(wrong: tuple[World, dict[str, Any]]) -> None:
    found = results(wrong[0], "mini", wrong[1]["pipeline_logging_id"])
    assert set(found) == {f"{row['target_table']}__{row['severity']}" for row in found.values()}
    bill = found["billing_cost_daily__error"]
    assert set(failures(bill)) == set(WRONG) and bill["expectations_failed"] == len(WRONG)
    assert bill["expectations_passed"] > 2, "the others hold, and that is known"
    assert bill["failed_rows"] == sum(one["failing_rows"] for one in failures(bill).values())
    assert all(name in bill["error_message"] for name in WRONG)
    silver = found["gcp_silver_cost__error"]
    assert silver["overall_status"] == "SKIPPED" and silver["failed_rows"] is None
    exports = found["x_meta_exports__error"]
    assert exports["overall_status"] == "PASS" and exports["error_message"] is None
    assert exports["failed_expectations"] is None


# -- Warnings: of weeks of usage, each odd row on a date of its own.


def weeks() -> list[dict[str, Any]]:
    """Four Tuesdays and Wednesdays that are alike; then a Tuesday with less and no Wednesday."""
    days = [f"2024-10-{day:02}" for day in (1, 2, 8, 9, 15, 16, 22, 23)]
    rows = [charge(day, 10.0 + n, credits=[credit(-1.0)]) for day in days for n in range(6)]
    return [*rows, charge("2024-10-29", 10.0)]


ODD = {
    "invoice_is_not_before_the_usage": [
        charge("2024-11-01", 1.0, invoice={"month": "202410"}),
        # Still October in the Pacific: no failure.
        charge(
            *("2024-11-01", 1.5),
            usage_start_time="2024-11-01 06:30:00+00",
            invoice={"month": "202410"},
        ),
    ],
    "label_keys_are_unique_in_a_row": [
        charge("2024-11-02", 1.0, labels=[{"key": "a", "value": v} for v in ("1", "2")]),
        charge("2024-11-02", 1.5, labels=[{"key": k, "value": "1"} for k in (None, None, "a")]),
        charge("2024-11-02", 2.0, tags=[{"key": "a", "namespace": n} for n in ("1", "2")]),
    ],
    "billing_cost_daily_has_few_rows_alike": [charge("2024-11-03", 1.0)] * 2,
    "credit_types_are_known": [
        charge(
            *("2024-11-04", 1.0),
            credits=[credit(-0.1), credit(-0.1, "BRAND_NEW")],
            labels=[{"key": "long", "value": "x" * 100_000}],
        ),
    ],
    "credits_are_not_above_zero": [
        charge("2024-10-31", 1.0, credits=[credit(0.5)]),
        charge("2024-10-31", -1.0, credits=[credit(0.5)]),
        charge(
            *("2024-10-31", 2.0),
            credits=[credit(0.5)],
            adjustment_info={"mode": "COMPLETE_NEGATION", "type": "USAGE_CORRECTION"},
        ),
    ],
}


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, dict[str, Any]]:
    """A tenant, and the run that loaded all that is odd of it."""
    rows = [*weeks(), *(row for made in ODD.values() for row in made)]
    world = a_world(tmp_path_factory.mktemp("odd"))
    world.add("mini", write_parquet(world.folder / "exports" / "e.parquet", rows))
    return world, world.run("mini", "2024-10-01", "2024-11-04")


def warned(odd: tuple[World, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What warned in the run of `odd`, by expectation."""
    found = results(odd[0], "mini", odd[1]["pipeline_logging_id"])
    return {
        name: {**one, "table": row["target_table"], "overall_status": row["overall_status"]}
        for row in found.values()
        for name, one in failures(row).items()
    }


def test_warnings_are_reported_and_do_not_fail_the_run(odd: tuple[World, dict[str, Any]]) -> None:
    assert set(warned(odd)) == {*ODD, "cost_by_service_daily_is_as_usual"}
    assert odd[1]["tests"] == {**odd[1]["tests"], "warned": len(ODD) + 1, "failed": 0}
    reported = "\n".join(odd[1]["warnings"])
    assert "Got " not in reported
    for name, one in warned(odd).items():
        rows = one["failing_rows"]
        assert f"{name} found {rows} row" in reported and one["samples"][0][:40] in reported
    assert "gcp_silver_cost: credit_types_are_known found 1 row (" in reported


@pytest.mark.parametrize("name", ODD)
def test_each_warning_has_the_row_that_was_made_for_it(
    odd: tuple[World, dict[str, Any]], name: str
) -> None:
    one = warned(odd)[name]
    assert (one["overall_status"], one["status"]) == ("WARNING", "warn")
    assert one["failing_rows"] == 1
    (sample,) = one["samples"]
    assert ODD[name][0]["usage_start_time"][:10] in sample or len(sample) == 400, "cut"


def test_a_weekday_unlike_those_before_is_reported_and_one_that_is_missing_too(
    odd: tuple[World, dict[str, Any]],
) -> None:
    samples = map(json.loads, warned(odd)["cost_by_service_daily_is_as_usual"]["samples"])
    seen = {one["usage_date"]: (one["rows_found"], one["rows_usual"]) for one in samples}
    assert seen == {"2024-10-29": (1, 6), "2024-10-30": (0, 6)}


def test_an_account_that_changes_its_currency_from_date_to_date_fails_the_later_run(
    empty_world: World,
) -> None:
    euros = {"currency": "EUR", "currency_conversion_rate": 0.9}
    rows = [charge("2024-11-01"), charge("2024-11-02", **euros)]
    empty_world.add("mini", write_parquet(empty_world.folder / "exports" / "e.parquet", rows))
    empty_world.run("mini", "2024-11-01")
    answer = empty_world("run", "--tenant", "mini", "--date", "2024-11-02", "--json")
    document = json.loads(answer.stdout)
    assert document["status"] == "FAILED"
    found = results(empty_world, "mini", document["pipeline_logging_id"])
    row = found["invoice_reconciliation__error"]
    assert (row["overall_status"], row["expectations_failed"]) == ("FAIL", 1)
    one = failures(row)["accounts_have_one_currency"]
    assert json.loads(one["samples"][0])["another_currency"] == "USD"
    assert document["error"].startswith(
        "The published tables passed their proofs, but invoice_reconciliation is wrong: "
    )
    assert "Published before the failure: " in document["error"]


# -- What no run of ours could write


def found(tested: Outcome, name: str) -> int | None:
    return next(node.failures for node in tested.nodes if node.name == name)


@pytest.mark.parametrize(
    ("test", "change"),
    [
        ("is_the_tenants_own", "billing_account_id = '01FFFF-FFFFFF-FFFFFF'"),
        ("dates_were_written_by_one_run", "pipeline_logging_id = 'another'"),
    ],
)
def test_a_row_that_was_written_by_another_program_is_found(
    shop: World, tmp_path: Any, test: str, change: str
) -> None:
    mine = shop.copy(tmp_path)
    mine.data(
        "shop",
        f"update shop.billing_cost_daily set {change}"
        " where ingestion_date = '2024-11-02' and sku_id = 'tax'",
    )
    name = "billing_cost_daily_expectations"
    place = {"WAREHOUSE_DIR": str(mine.warehouse)}
    assert SharedWorker.process is not None
    for vars, failures in (({"date": "2024-11-02"}, 1), ({"date": "2024-11-03"}, 0), ({}, 1)):
        tested = SharedWorker.process.run(Job("shop", ("test", "--select", name), vars, place))
        assert found(tested, name) == failures, tested.error
        rows = mine.data(
            "shop",
            "select failed_expectations from shop.x_meta_dq_results"
            " where dq_config_id = 'billing_cost_daily__error' order by executed_at desc limit 1",
        )
        assert [one["expectation"] for one in json.loads(rows[0][0] or "[]")] == [test] * failures


def test_a_tenant_of_projects_may_have_those_and_none_else(split: World, tmp_path: Any) -> None:
    mine = split.copy(tmp_path)
    assert SharedWorker.process is not None
    name = "billing_cost_daily_expectations"
    for project, failures in (("'proj-b'", 0), ("'proj-c'", 1), ("null", 1)):
        mine.data("split", f"update split.billing_cost_daily set project_id = {project}")
        tested = SharedWorker.process.run(
            Job("split", ("test", "--select", name), {}, {"WAREHOUSE_DIR": str(mine.warehouse)})
        )
        assert found(tested, name) == failures, (project, tested.error)


# -- Freshness, the one check that checks the clock

FRESH = {
    "stg_gcp_billing__export__warn": "stg_gcp_billing__export_was_written_lately",
    "billing_cost_daily__error": "export_has_not_stopped",
}


def test_an_export_that_stopped_is_reported_after_a_day_and_its_dates_are_not_published_after_two(
    empty_world: World,
) -> None:
    now = datetime.now(UTC)
    stopped = now.date() - timedelta(days=4)
    rows = [charge("2024-11-01"), charge(stopped.isoformat())]
    empty_world.add("mini", write_parquet(empty_world.folder / "exports" / "e.parquet", rows))
    reported = {}
    for day in ("2024-11-01", *(f"{stopped + timedelta(days=n)}" for n in range(4))):
        with only("bill_run"):
            answer = empty_world("run", "--tenant", "mini", "--date", day, "--json")
        document = json.loads(answer.stdout)
        found = results(empty_world, "mini", document["pipeline_logging_id"])
        for row, name in FRESH.items():
            stale = failures(found[row]).get(name, {"failing_rows": 0})
            assert stale["failing_rows"] == (found[row]["overall_status"] != "PASS")
        reported[day] = tuple(found[row]["overall_status"] for row in FRESH)
        fails = "FAIL" in reported[day]
        assert document["status"] == ("FAILED" if fails else "COMPLETED"), document
        if fails:
            assert "not published: export_has_not_stopped failed" in document["error"]
        published = empty_world.data(
            *("mini", "select count(*) from mini.x_meta_publications where usage_date = ?", day)
        )
        assert (published == [(0,)]) == fails, "a date is not published as empty"
    assert list(reported.values()) == [
        *[("PASS", "PASS")] * 2,
        ("WARNING", "PASS"),
        *[("WARNING", "FAIL")] * 2,
    ]


def test_an_old_month_is_judged_by_that_month(empty_world: World) -> None:
    rows = [charge("2024-11-01"), charge("2024-11-02", export_time="2024-11-02 01:00:00+00")]
    empty_world.add("mini", write_parquet(empty_world.folder / "exports" / "e.parquet", rows))
    fresh = "stg_gcp_billing__export_was_written_lately"
    with only("bill_run"):
        reported = [
            fresh in str(empty_world.run("mini", day)["warnings"])
            for day in ("2024-11-02", "2024-11-04", "2024-12-24")
        ]
    assert reported == [False, True, False], "warned, however old; and not where nothing judges it"
