"""Each check of the bill finds what was made for it: errors fail the run, warnings do not."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from exports import charge, credit, write_parquet
from world import SharedWorker, World

from runner.invoke import Job, Outcome

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
    "publisher_type_is_known": [{"invoice": {"publisher_type": "NOBODY"}}],
    "cost_type_is_known": [{"cost_type": "surprise"}],
    "adjustment_mode_is_known": [{"adjustment_info": {"mode": "HALF", "type": "GOODWILL"}}],
    "adjustment_type_is_known": [
        {"adjustment_info": {"mode": "MANUAL_ADJUSTMENT", "type": "WHIM"}}
    ],
}


@pytest.fixture(scope="module")
def wrong(world: World) -> tuple[World, dict[str, Any]]:
    """Tenant `wrong`, and the run that loaded all that is wrong with it."""
    rows = [
        charge(DAY, 1.0 + n, sku={"id": name}, **changes)
        for name, made in WRONG.items()
        for n, changes in enumerate(made)
    ]
    world.add("wrong", write_parquet(world.folder / "exports" / "wrong.parquet", rows))
    answer = world("run", "--tenant", "wrong", "--date", DAY, "--json")
    assert answer.exit_code == 1, answer.output
    return world, json.loads(answer.stdout)


def results(world: World, tenant: str, run_id: str) -> dict[str, dict[str, Any]]:
    """What x_meta_dq_results has of a run, by the name of the test or summary."""
    columns = (
        "dq_config_id, overall_status, severity, expectations_passed, expectations_failed,"
        " failed_rows, failed_expectations, sample_rows, error_message, target_table"
    )
    rows = world.data(
        tenant,
        f"select {columns} from {tenant}.x_meta_dq_results where pipeline_logging_id = ?",
        run_id,
    )
    names = columns.replace(" ", "").split(",")
    return {row[0]: dict(zip(names, row, strict=True)) for row in rows}


def test_what_is_wrong_fails_the_run_before_it_is_completed(
    wrong: tuple[World, dict[str, Any]],
) -> None:
    world, document = wrong
    assert document["status"] == "FAILED" and document["tests"]["failed"] == len(WRONG)
    statuses = "select distinct status from wrong.x_meta_pipeline_runs"
    assert world.control(statuses) == [("FAILED",)]
    silver = "select 1 from duckdb_tables() where table_name = 'gcp_silver_cost'"
    assert world.data("wrong", silver) == []


@pytest.mark.parametrize("name", WRONG)
def test_each_error_is_found_and_its_rows_are_shown(
    wrong: tuple[World, dict[str, Any]], name: str
) -> None:
    found = results(wrong[0], "wrong", wrong[1]["pipeline_logging_id"])
    row = found[f"billing_cost_daily_{name}"]
    assert (row["overall_status"], row["severity"]) == ("FAIL", "error")
    samples = json.loads(row["sample_rows"])
    if name == "accounts_have_one_currency":
        assert row["failed_rows"] == 1
        assert (samples[0]["billing_account_id"], samples[0]["one_value"]) == (OTHERS, "EUR")
    else:
        assert row["failed_rows"] == len(WRONG[name])
        assert {sample["sku_id"] for sample in samples} == {name}


def test_a_model_has_one_row_that_sums_its_tests_up(wrong: tuple[World, dict[str, Any]]) -> None:
    found = results(wrong[0], "wrong", wrong[1]["pipeline_logging_id"])
    tables = {row["target_table"] for row in found.values()}
    summaries = {f"{table}__summary" for table in tables}
    assert summaries <= set(found)
    for table in tables:
        summary = found.pop(f"{table}__summary")
        of_it = [row for row in found.values() if row["target_table"] == table]
        for column in ("expectations_passed", "expectations_failed"):
            assert summary[column] == sum(row[column] for row in of_it), (table, column)
        failed = {row["dq_config_id"] for row in of_it if row["overall_status"] != "PASS"}
        named = {one["expectation"] for one in json.loads(summary["failed_expectations"] or "[]")}
        assert named == failed and summary["sample_rows"] is summary["severity"] is None
        if table == "billing_cost_daily":
            assert summary["overall_status"] == "FAIL" and summary["failed_rows"] == 11
            assert all(name in summary["error_message"] for name in failed)
        elif table == "gcp_silver_cost":
            assert summary["overall_status"] == "SKIPPED" and summary["failed_rows"] is None
        elif table == "x_meta_exports":
            assert summary["overall_status"] == "PASS" and summary["error_message"] is None


# -- Warnings: of weeks of usage, each odd row on a date of its own.


def weeks() -> list[dict[str, Any]]:
    """Four Tuesdays and Wednesdays that are alike; then a Tuesday with less and no Wednesday."""
    days = [f"2024-10-{day:02}" for day in (1, 2, 8, 9, 15, 16, 22, 23)]
    rows = [charge(day, 10.0 + n, credits=[credit(-1.0)]) for day in days for n in range(6)]
    return [*rows, charge("2024-10-29", 10.0)]


ODD = {
    "billing_cost_daily_invoice_is_not_before_the_usage": [
        charge("2024-11-01", 1.0, invoice={"month": "202410"}),
        # Still October in the Pacific: no finding.
        charge(
            *("2024-11-01", 1.5),
            usage_start_time="2024-11-01 06:30:00+00",
            invoice={"month": "202410"},
        ),
    ],
    "billing_cost_daily_label_keys_are_unique_in_a_row": [
        charge("2024-11-02", 1.0, labels=[{"key": "a", "value": v} for v in ("1", "2")]),
        charge("2024-11-02", 1.5, labels=[{"key": k, "value": "1"} for k in (None, None, "a")]),
        charge("2024-11-02", 2.0, tags=[{"key": "a", "namespace": n} for n in ("1", "2")]),
    ],
    "billing_cost_daily_has_few_rows_alike": [charge("2024-11-03", 1.0)] * 2,
    "gcp_silver_cost_credit_types_are_known": [
        charge(
            *("2024-11-04", 1.0),
            credits=[credit(-0.1), credit(-0.1, "BRAND_NEW")],
            labels=[{"key": "long", "value": "x" * 100_000}],
        ),
    ],
    "gcp_silver_cost_credits_are_not_above_zero": [
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
def odd(world: World) -> tuple[World, dict[str, Any]]:
    """Tenant `odd`, and the run that loaded all that is odd of it."""
    rows = [*weeks(), *(row for made in ODD.values() for row in made)]
    world.add("odd", write_parquet(world.folder / "exports" / "odd.parquet", rows))
    return world, world.run("odd", "2024-10-01", "2024-11-04")


def test_warnings_are_told_and_do_not_fail_the_run(odd: tuple[World, dict[str, Any]]) -> None:
    told = [text.split(":")[0] for text in odd[1]["warnings"]]
    assert sorted(told) == sorted([*ODD, "cost_by_service_daily_is_as_usual"])
    assert odd[1]["tests"] == {**odd[1]["tests"], "warned": len(told), "failed": 0}


@pytest.mark.parametrize("name", ODD)
def test_each_warning_has_the_row_that_was_made_for_it(
    odd: tuple[World, dict[str, Any]], name: str
) -> None:
    row = results(odd[0], "odd", odd[1]["pipeline_logging_id"])[name]
    assert (row["overall_status"], row["failed_rows"]) == ("WARNING", 1)
    (sample,) = json.loads(row["sample_rows"])
    assert len(row["sample_rows"]) < 10_000, "long cells are cut"
    day = ODD[name][0]["usage_start_time"][:10]
    assert day in (sample.get("ingestion_date"), sample.get("usage_date"))


def test_a_weekday_unlike_those_before_is_told_and_one_that_is_gone_too(
    odd: tuple[World, dict[str, Any]],
) -> None:
    found = results(odd[0], "odd", odd[1]["pipeline_logging_id"])
    samples = json.loads(found["cost_by_service_daily_is_as_usual"]["sample_rows"])
    seen = {one["usage_date"]: (one["rows_found"], one["rows_usual"]) for one in samples}
    assert seen == {"2024-10-29": (1, 6), "2024-10-30": (0, 6)}


def test_an_account_that_changes_its_currency_from_date_to_date_fails_the_later_run(
    world: World,
) -> None:
    euros = {"currency": "EUR", "currency_conversion_rate": 0.9}
    rows = [charge("2024-11-01"), charge("2024-11-02", **euros)]
    world.add("turned", write_parquet(world.folder / "exports" / "turned.parquet", rows))
    world.run("turned", "2024-11-01")
    answer = world("run", "--tenant", "turned", "--date", "2024-11-02", "--json")
    document = json.loads(answer.stdout)
    assert document["status"] == "FAILED"
    found = results(world, "turned", document["pipeline_logging_id"])
    row = found["invoice_cost_daily_accounts_have_one_currency"]
    assert (row["overall_status"], row["failed_rows"]) == ("FAIL", 1)
    assert json.loads(row["sample_rows"])[0]["another_value"] == "USD"


def test_a_summary_warns_as_its_worst_test_does(odd: tuple[World, dict[str, Any]]) -> None:
    found = results(odd[0], "odd", odd[1]["pipeline_logging_id"])
    assert found["gcp_silver_cost__summary"]["overall_status"] == "WARNING"
    assert found["invoice_cost_daily__summary"]["overall_status"] == "PASS"
    assert found["invoice_cost_daily__summary"]["failed_expectations"] is None


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
def test_a_row_that_somebody_wrote_is_found(
    shop: World, tmp_path: Any, test: str, change: str
) -> None:
    mine = shop.copy(tmp_path)
    mine.data(
        "shop",
        f"update shop.billing_cost_daily set {change}"
        " where ingestion_date = '2024-11-02' and sku_id = 'tax'",
    )
    name = f"billing_cost_daily_{test}"
    place = {"WAREHOUSE_DIR": str(mine.warehouse)}
    assert SharedWorker.process is not None
    for vars, failures in (({"date": "2024-11-02"}, 1), ({"date": "2024-11-03"}, 0), ({}, 1)):
        tested = SharedWorker.process.run(Job("shop", ("test", "--select", name), vars, {}, place))
        assert found(tested, name) == failures, tested.error


def test_a_tenant_of_projects_may_have_those_and_none_else(split: World, tmp_path: Any) -> None:
    mine = split.copy(tmp_path)
    assert SharedWorker.process is not None
    name = "billing_cost_daily_is_the_tenants_own"
    for project, failures in (("'proj-b'", 0), ("'proj-c'", 1), ("null", 1)):
        mine.data("split", f"update split.billing_cost_daily set project_id = {project}")
        tested = SharedWorker.process.run(
            Job("split", ("test", "--select", name), {}, {}, {"WAREHOUSE_DIR": str(mine.warehouse)})
        )
        assert found(tested, name) == failures, (project, tested.error)


# -- Freshness, the one check that looks at the clock

FRESH = ("was_written_lately", "has_not_stopped")


def test_an_export_that_stopped_is_told_after_a_day_and_fails_recent_runs_after_two(
    world: World,
) -> None:
    now = datetime.now(UTC)
    stopped = now.date() - timedelta(days=4)
    rows = [charge("2024-11-01"), charge(stopped.isoformat())]
    world.add("stale", write_parquet(world.folder / "exports" / "stale.parquet", rows))
    told = {}
    for day in ("2024-11-01", *(f"{stopped + timedelta(days=n)}" for n in range(4))):
        answer = world("run", "--tenant", "stale", "--date", day, "--json")
        document = json.loads(answer.stdout)
        found = results(world, "stale", document["pipeline_logging_id"])
        rows = [found[f"stg_gcp_billing__export_{name}"] for name in FRESH]
        statuses = tuple(row["overall_status"] for row in rows)
        assert [row["failed_rows"] for row in rows] == [status != "PASS" for status in statuses]
        assert document["status"] == ("FAILED" if "FAIL" in statuses else "COMPLETED"), document
        told[day] = statuses
    assert list(told.values()) == [
        *[("PASS", "PASS")] * 2,
        ("WARNING", "PASS"),
        *[("WARNING", "FAIL")] * 2,
    ]


def test_an_old_month_is_judged_by_that_month(world: World) -> None:
    rows = [charge("2024-11-01"), charge("2024-11-02", export_time="2024-11-02 01:00:00+00")]
    world.add("late", write_parquet(world.folder / "exports" / "late.parquet", rows))
    fresh = "stg_gcp_billing__export_was_written_lately"
    assert fresh not in str(world.run("late", "2024-11-02")["warnings"])
    assert fresh in str(world.run("late", "2024-11-04")["warnings"]), "warned, however old"
    assert fresh not in str(world.run("late", "2024-12-24")["warnings"]), "nothing to judge by"
