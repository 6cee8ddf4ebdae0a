"""Figures that others computed: koku-nise's export and the numbers that Google publishes."""

import csv
import json
from collections import defaultdict
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from support import ROOT, only, shared
from world import World, a_world

ROWS = 20928
COST, CREDITS, NET = (Decimal(n) for n in ("169.309983456", "-3.0171648", "166.292818656"))
RANGE = ("--from", "2026-07-01", "--to", "2026-08-31")
NET_OF = {
    "billing_cost_daily": "sum(cost) + sum(credits_total)",
    "gcp_silver_cost": "sum(billed_cost)",
    "cost_by_service_daily": "sum(billed_cost)",
    "invoice_cost_daily": "sum(billed_cost)",
    "invoice_reconciliation": "sum(billed_cost)",
    "focus_cost_and_usage": "sum(BilledCost)",
    "cost_daily": "sum(billed_cost)",
    "cost_by_folder_daily": "sum(billed_cost)",
    "cost_waterfall_daily": "sum(billed_cost)",
    "cost_by_resource_daily": "sum(billed_cost)",
    "top_resources": "sum(billed_cost)",
    "cost_by_account_daily": "sum(billed_cost)",
    "late_arrivals": "sum(billed_cost)",
    "cost_movers": "sum(billed_cost)",
}
# What is a part of the bill, counts it several times, estimates it or remembers it: each is held
# by tests of its own (docs/quality.md).
NO_NET = {
    *("budget_vs_actual", "commitment_coverage_daily", "commitment_daily", "cost_anomalies"),
    *("cost_by_label_daily", "cost_forecast", "cost_month_to_date", "credits_daily"),
    *("gke_cost_daily", "label_cost_daily", "label_coverage_daily", "loaded_dates"),
    *("restatement_ledger", "unit_cost", "usage_calendar"),
}
SEEDS = {path.stem for path in (ROOT / "dbt_project" / "seeds").glob("*.csv")}


@pytest.fixture(scope="module")
def nise(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, dict[str, Any], str]:
    """nise's export, loaded by the command itself; its JSON document and its stderr."""
    export = shared("data/nise/nise_resource_v1.parquet")
    world = a_world(tmp_path_factory.mktemp("nise"))
    world.add("mini", export)
    ran = world.cli("run", "--tenant", "mini", *RANGE, "--json")
    assert ran.returncode == 0, ran.stderr
    return world, json.loads(ran.stdout), ran.stderr


def test_the_run_prints_one_document_with_nises_figures_and_progress_elsewhere(nise) -> None:
    _, document, progress = nise
    assert (document["status"], document["rows"], document["error"]) == ("COMPLETED", ROWS, None)
    (total,) = document["totals"]
    assert [total[key] for key in ("currency", "rows", "cost", "credits", "net")] == [
        *("USD", ROWS, "169.309983456", "-3.0171648", "166.292818656")
    ]
    assert document["tests"]["failed"] == 0 and document["tests"]["passed"] > 20
    assert "billing_cost_daily" in progress


def test_nises_figures_are_in_billing_cost_daily_to_the_nano(nise) -> None:
    world, *_ = nise
    (row,) = world.data(
        "mini",
        "select count(*), sum(cost), sum(credits_total), sum(cost) + sum(credits_total),"
        " count(*) filter (invoice_month <> strftime(ingestion_date, '%Y%m')),"
        " sum(cost) filter (invoice_month <> strftime(ingestion_date, '%Y%m')),"
        " count(*) filter (usage_date_pacific <> ingestion_date) from mini.billing_cost_daily",
    )
    assert row == (ROWS, COST, CREDITS, NET, 192, Decimal("1.42417104"), 6104)


def test_every_table_and_mart_sums_to_the_same_net(nise) -> None:
    world, *_ = nise
    tables = {
        name
        for (name,) in world.data(
            "mini",
            "select table_name from duckdb_tables() where schema_name = 'mini' union"
            " select view_name from duckdb_views() where schema_name = 'mini'",
        )
        if not name.startswith(("x_meta_", "stg_")) and name not in SEEDS
    }
    assert tables == {*NET_OF, *NO_NET}, "a new mart reports here how it sums to the net"
    for table, net in NET_OF.items():
        assert world.data("mini", f"select {net} from mini.{table}") == [(NET,)], table


def test_a_rerun_leaves_identical_rows_and_totals(nise) -> None:
    world, document, _ = nise
    before = {table: world.fingerprint("mini", table) for table in NET_OF}
    again = world.run("mini", "2026-07-01", "2026-08-31")
    assert again["totals"] == document["totals"]
    assert again["pipeline_logging_id"] != document["pipeline_logging_id"]
    for table, rows in before.items():
        assert world.fingerprint("mini", table) == rows, table


def test_every_row_belongs_to_the_run_that_wrote_it(nise) -> None:
    world, *_ = nise
    newest = json.loads(world("runs", "--tenant", "mini", "--limit", "1", "--json").stdout)[0]
    ids = world.data("mini", "select distinct pipeline_logging_id from mini.billing_cost_daily")
    assert ids == [(newest["pipeline_logging_id"],)]


def test_the_ndjson_form_gives_the_parquet_forms_rows(nise) -> None:
    world, *_ = nise
    # The ndjson is BigQuery's load form, without the partition, and another export.
    without = "export_partition_time, export_ref"
    before = world.fingerprint("mini", "billing_cost_daily", without)
    world.add("mini", shared("data/nise/nise_resource_v1.ndjson.gz"))
    with only("copy"):
        world.run("mini", "2026-07-01", "2026-08-31")
    assert world.fingerprint("mini", "billing_cost_daily", without) == before


def test_google_doc_examples_give_every_figure_that_google_publishes(empty_world: World) -> None:
    folder = "data/google_doc_examples"
    expected = json.loads(shared(f"{folder}/expected.json").read_text())
    cases = list(csv.DictReader(shared(f"{folder}/cases.csv").open()))
    empty_world.add("mini", shared(f"{folder}/google_doc_examples.parquet"))
    with only("bill_run"):
        empty_world.run("mini", "2020-08-01", "2025-12-31")
    # project.name carries the case, but a tax of an account has no project: by its date then.
    rows = empty_world.data(
        "mini",
        "select coalesce(project_name, 'tax_before_2020_09'), cost, credits_total, project_id,"
        " invoice_month, ingestion_date, cost_type from mini.billing_cost_daily",
    )
    assert len(rows) == len(cases) == sum(case["rows"] for case in expected.values())
    found: dict[str, list[Any]] = defaultdict(list)
    for name, *row in rows:
        found[name].append(row)
    assert set(found) == set(expected)
    for name, case in expected.items():
        cost, credits = (sum((row[n] for row in found[name]), Decimal(0)) for n in (0, 1))
        assert (len(found[name]), cost, credits, cost + credits) == (
            case["rows"],
            *(Decimal(case[key]) for key in ("cost", "credits", "net")),
        ), name

    def part(name: str, **wanted: Any) -> Decimal:
        columns = {"project": 2, "invoice": 3, "day": 4, "type": 5}
        return sum(
            (r[0] for r in found[name] if all(r[columns[k]] == v for k, v in wanted.items())),
            Decimal(0),
        )

    published = expected["correction"]["published"]
    assert part("correction", invoice="202401") == Decimal(published["invoice_202401"])
    assert part("correction", invoice="202402") == Decimal(published["invoice_202402"])
    assert part("correction", day=date(2024, 1, 1)) == Decimal(published["usage_date_2024-01-01"])
    published = expected["tax_after_2020_09"]["published"]
    for project in ("example-project", "test-project"):
        tax = part("tax_after_2020_09", project=project, type="tax")
        assert tax == Decimal(published[f"tax {project}"])
    assert part("tax_after_2020_09") == Decimal(published["total"])
