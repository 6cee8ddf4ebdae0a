"""The sample export: the same rows every time, Google's schema, and every trap in its place."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

PROJECT = Path(__file__).resolve().parents[2] / "dbt_project"
SAMPLE = PROJECT / "sample"
SCHEMA = PROJECT / "schemas" / "gcp_billing_export_resource_v1.schema.json"
ACME_USD = "01ECB7-6EE0BA-7357F1"
ACME_EUR = "01EA5E-2C40D9-B81F36"
GLOBEX = "01B0B5-4A17C3-90DE62"
INITECH = "01D1CE-58F0A4-3C7B29"
FIFTH = 200_000

DUCKDB_TYPES = {
    "STRING": "VARCHAR",
    "BOOLEAN": "BOOLEAN",
    "TIMESTAMP": "TIMESTAMP WITH TIME ZONE",
    "FLOAT": "DOUBLE",
    "NUMERIC": "DECIMAL(38,9)",
}


def generate(path: Path, rows: int | None = None, threads: int = 2, zone: str = "UTC") -> Path:
    con = duckdb.connect()
    con.execute(f"set threads = {threads}")
    con.execute(f"set TimeZone = '{zone}'")
    con.execute("set variable path = $path", {"path": str(path)})
    if rows is not None:
        con.execute(f"set variable rows = {rows}")
    con.execute((SAMPLE / "gcp_billing_export.sql").read_text())
    con.close()
    return path


@pytest.fixture(scope="session")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(tmp_path_factory.mktemp("sample") / "export.parquet")


@pytest.fixture(scope="session")
def fifth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of a fifth of the rows, still more than one thread reads at a time."""
    return generate(tmp_path_factory.mktemp("fifth") / "fifth.parquet", rows=FIFTH)


@pytest.fixture(scope="session")
def con(export: Path) -> duckdb.DuckDBPyConnection:
    """A connection with `export`, `special` (no ordinary rows) and `demo`, acme's USD demo date."""
    special = generate(export.parent / "special.parquet", rows=0)
    con = duckdb.connect()
    con.execute("set TimeZone = 'UTC'")
    con.execute(f"create view export as from '{export}'")
    con.execute(f"create view special as from '{special}'")
    con.execute(
        f"create view demo as from special where billing_account_id = '{ACME_USD}'"
        " and cast(usage_start_time as date) = '2024-11-01'"
    )
    return con


def count(con: duckdb.DuckDBPyConnection, where: str, table: str = "demo") -> int:
    row = con.execute(f"select count(*) from {table} where {where}").fetchone()
    assert row is not None
    return int(row[0])


def values(con: duckdb.DuckDBPyConnection, query: str) -> list[object]:
    return [row[0] for row in con.execute(query).fetchall()]


# What the file is


def duckdb_type(field: dict) -> str:
    if field["type"] == "RECORD":
        inner = ", ".join(f"{f['name']} {duckdb_type(f)}" for f in field["fields"])
        scalar = f"STRUCT({inner})"
    else:
        scalar = DUCKDB_TYPES[field["type"]]
    return scalar + ("[]" if field["mode"] == "REPEATED" else "")


def test_columns_are_googles_in_googles_order(con):
    wanted = [(f["name"], duckdb_type(f)) for f in json.loads(SCHEMA.read_text())]
    wanted.append(("_PARTITIONTIME", "TIMESTAMP WITH TIME ZONE"))
    found = con.execute("select column_name, replace(column_type, '\"', '') from (describe export)")
    assert found.fetchall() == wanted


@pytest.mark.parametrize(
    "threads,zone", [(2, "UTC"), (1, "America/Los_Angeles"), (3, "Asia/Tokyo")]
)
def test_the_same_rows_every_time(fifth, tmp_path, threads, zone):
    again = generate(tmp_path / "again.parquet", rows=FIFTH, threads=threads, zone=zone)
    con = duckdb.connect()
    fingerprint = (
        "select count(*), sum(cast(h as hugeint)), bit_xor(h), sum(h % 1000003 * (h % 999983)) "
        "from (select hash(t) as h from '{}' as t)"
    )
    assert (
        con.execute(fingerprint.format(fifth)).fetchall()
        == con.execute(fingerprint.format(again)).fetchall()
    )


def test_the_default_file_is_small(export):
    assert export.stat().st_size < 40_000_000


def test_rows_scales_the_ordinary_rows_only(con, fifth, tmp_path):
    special = count(con, "true", "special")
    few = generate(tmp_path / "few.parquet", rows=FIFTH // 10)
    for path, rows in ((few, FIFTH // 10), (fifth, FIFTH)):
        total = count(con, "true", f"'{path}'")
        assert abs(total - special - rows) <= 0.11 * rows
        hashes = f"select hash(t) from special as t except all select hash(t) from '{path}' as t"
        assert count(con, "true", f"({hashes})") == 0


def test_acme_has_five_thousand_rows_on_the_demo_date(con):
    where = f"billing_account_id = '{ACME_USD}' and cast(usage_start_time as date) = '2024-11-01'"
    assert count(con, where, "export") >= 5_000


def test_every_day_of_the_quarter_has_comparable_rows(con):
    days = con.execute(
        "select cast(usage_start_time as date) as day, count(*) from export"
        f" where billing_account_id = '{ACME_USD}' group by day"
    ).fetchall()
    assert len(days) == 92
    assert all(4_500 <= rows <= 6_500 for _, rows in days)


def test_the_oracle_adds_up_and_agrees_with_plain_python(con, export):
    oracle = duckdb.connect()
    oracle.execute("set TimeZone = 'Asia/Tokyo'")
    oracle.execute("set variable path = $path", {"path": str(export)})
    found = oracle.execute((SAMPLE / "expected.sql").read_text()).fetchall()
    assert sum(row[3] for row in found) == count(con, "true", "export")
    nano = Decimal("1e-9")
    rows = con.execute(
        "select cost, list_transform(coalesce(credits, []), lambda c: c.amount) from export"
        f" where billing_account_id = '{ACME_USD}' and cast(usage_start_time as date) = '2024-11-01'"
    ).fetchall()
    cost = sum(Decimal(c).quantize(nano) for c, _ in rows)
    credits = sum(Decimal(a).quantize(nano) for _, amounts in rows for a in amounts)
    row = next(r for r in found if r[0] == ACME_USD and str(r[1]) == "2024-11-01")
    assert row[3:] == (len(rows), cost, credits, cost + credits)


# What an export always is


def test_what_every_charge_needs_is_there(con):
    assert not count(
        con,
        "billing_account_id is null or service.id is null or service.description is null"
        " or sku.id is null or sku.description is null or usage_start_time is null"
        " or usage_end_time < usage_start_time or export_time is null or cost is null"
        " or currency is null or currency_conversion_rate <= 0 or invoice.month is null"
        " or cost_type is null or _PARTITIONTIME is null",
        "export",
    )
    assert not count(
        con, "not regexp_matches(invoice.month, '^20(2409|241[0-2]|250[12])$')", "export"
    )
    assert values(con, "select distinct cost_type from export order by 1") == [
        "adjustment", "regular", "rounding_error", "tax",
    ]  # fmt: skip
    assert not count(
        con,
        "invoice.month < strftime(usage_start_time at time zone 'America/Los_Angeles', '%Y%m')",
        "export",
    )


def test_usage_is_of_the_quarter_and_exports_reach_into_february(con):
    assert con.execute(
        "select min(cast(usage_start_time as date))::varchar, max(cast(usage_start_time as date))::varchar,"
        " strftime(max(export_time), '%Y-%m') from export"
    ).fetchone() == ("2024-10-01", "2024-12-31", "2025-02")


def test_a_partition_is_the_day_of_the_export_in_utc_or_pacific_time(con):
    utc = "cast(_PARTITIONTIME as date) = cast(export_time as date)"
    assert not count(
        con,
        f"not ({utc} or cast(_PARTITIONTIME as date)"
        " = cast(export_time at time zone 'America/Los_Angeles' as date))",
        "export",
    )
    assert count(con, f"not ({utc})", "export") > 1_000
    assert not count(
        con,
        "cast(_PARTITIONTIME as date) < cast(usage_start_time as date) - 1",
        "export",
    )
    assert not count(con, "export_time < usage_end_time", "export")


def test_accounts_have_one_currency_and_ids_of_the_right_form(con):
    assert con.execute(
        "select billing_account_id, string_agg(distinct currency) from export group by 1 order by 1"
    ).fetchall() == [(GLOBEX, "USD"), (INITECH, "USD"), (ACME_EUR, "EUR"), (ACME_USD, "USD")]
    assert not count(
        con, "not regexp_matches(billing_account_id, '^([0-9A-F]{6}-){2}[0-9A-F]{6}$')", "export"
    )


def test_sku_ids_and_descriptions_are_one_to_one(con):
    assert con.execute(
        "select count(distinct sku.id) = count(distinct sku), count(distinct sku) >= 40,"
        " count(distinct service) >= 12, count(distinct service.id) = count(distinct service)"
        " from export"
    ).fetchone() == (True, True, True, True)


# Traps


def test_trap_late_rows(con):
    lags = values(
        con,
        "select distinct date_diff('day', usage_start_time, export_time) from demo"
        " where resource.name like 'late-by-%' order by 1",
    )
    assert lags == [2, 3, 4, 5, 6, 7, 8, 9, 10, 36, 45, 75]
    assert (
        count(con, "date_diff('hour', usage_end_time, export_time) between 48 and 144", "export")
        > 5_000
    )


def test_trap_late_usage_rolls_into_the_next_invoice(con):
    assert con.execute(
        "select export_time::date::varchar, invoice.month from special"
        " where resource.name in ('late-by-10-days', 'late-by-36-days', 'late-by-75-days')"
        " and usage_start_time = '2024-10-31 20:00' order by 1"
    ).fetchall() == [("2024-11-10", "202411"), ("2024-12-06", "202412"), ("2025-01-14", "202501")]


def test_trap_corrections_are_appended_under_the_old_date(con):
    assert con.execute(
        "select cost, invoice.month, adjustment_info.mode, adjustment_info.type from demo"
        " where resource.name = 'negated' order by export_time, cost"
    ).fetchall() == [
        (10.0, "202411", None, None),
        (-10.0, "202412", "COMPLETE_NEGATION_WITH_REMONETIZATION", "USAGE_CORRECTION"),
        (5.0, "202412", "COMPLETE_NEGATION_WITH_REMONETIZATION", "USAGE_CORRECTION"),
    ]
    assert values(con, "select distinct adjustment_info.mode from special order by 1 nulls last") == [
        "COMPLETE_NEGATION", "COMPLETE_NEGATION_WITH_REMONETIZATION", "MANUAL_ADJUSTMENT",
        "PARTIAL_CORRECTION", None,
    ]  # fmt: skip
    assert count(con, "resource.name = 'withdrawn' and invoice.month = '202502'", "special") == 1


def test_trap_a_relabelling_costs_nothing(con):
    assert con.execute(
        "select count(*), sum(cost), count(distinct labels) from demo"
        " where adjustment_info.type = 'METADATA_CORRECTION'"
    ).fetchone() == (2, 0.0, 2)


def test_trap_several_credits_of_every_type(con):
    assert count(con, "len(credits) >= 2") >= 4
    assert count(con, "resource.name = 'resold' and len(credits) = 3") == 1
    found = set(
        values(con, "select distinct unnest(list_transform(credits, lambda c: c.type)) from demo")
    )
    assert found == {
        "SUSTAINED_USAGE_DISCOUNT", "PROMOTION", "COMMITTED_USAGE_DISCOUNT", "DISCOUNT",
        "RESELLER_MARGIN", "SUBSCRIPTION_BENEFIT", "FREE_TIER",
        "COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE", "FEE_UTILIZATION_OFFSET",
        "CARBON_OFFSET_REBATE",
    }  # fmt: skip
    assert count(con, "resource.name = 'two-promotions' and credits[1] = credits[2]") == 1


def test_trap_a_credit_above_zero(con):
    assert count(con, "len(list_filter(credits, lambda c: c.amount > 0)) > 0") == 1


@pytest.mark.parametrize("sku", ["Tax", "Rounding error", "Enhanced Support", "Goodwill refund"])
def test_trap_account_charges_have_no_project_resource_or_place(con, sku):
    assert count(
        con,
        f"sku.description = '{sku}' and project is null and resource is null and location is null",
    )


def test_trap_account_charges_of_the_shared_account_belong_to_no_tenant(con):
    where = f"billing_account_id = '{INITECH}' and project is null"
    assert count(con, where, "export") == 12
    assert set(values(con, f"select distinct sku.description from special where {where}")) == {
        "Tax", "Rounding error", "Enhanced Support",
    }  # fmt: skip


def test_trap_tax_with_a_project(con):
    assert count(con, "cost_type = 'tax' and project.id is not null") == 2


def test_trap_a_negative_rounding_error(con):
    assert count(con, "cost_type = 'rounding_error' and cost < 0") == 1


def test_trap_a_refund(con):
    assert (
        count(con, "cost_type = 'adjustment' and cost < 0 and adjustment_info.type = 'GOODWILL'")
        == 1
    )


def test_trap_a_new_project_is_nameless_for_a_day(con):
    sku = "sku.description = 'E2 Instance Core running in Americas'"
    assert count(con, f"project is null and {sku}", "special") == 24
    assert count(con, f"project is null and {sku}") == 18
    assert count(con, "project.id = 'acme-newborn'", "special") == 24


def test_trap_a_project_moves_to_another_account(con):
    assert con.execute(
        "select currency, count(*), max(usage_start_time)::date::varchar from special"
        " where project.id = 'acme-nomad' group by 1 order by 1"
    ).fetchall() == [("EUR", 7, "2024-11-08"), ("USD", 8, "2024-11-01")]


def test_trap_costs_below_zero_at_zero_and_below_a_nano(con):
    assert count(con, "cost < 0 and cost_type = 'regular' and adjustment_info is null") == 1
    assert count(con, "cost = 0") == 2
    assert count(con, "cost = 0.00000000049") == 2
    assert count(con, "cost = 0.00000000062") == 1
    assert values(
        con,
        "select cast(cost as decimal(38, 9))::varchar from demo"
        " where resource.name in ('half-a-nano-less', 'half-a-nano-more') order by 1",
    ) == ["0.000000000", "0.000000001"]


def test_trap_rows_alike_in_every_column(con):
    assert sorted(
        values(con, "select count(*) from (from demo) as d group by d having count(*) > 1")
    ) == [2, 3]


def test_trap_the_euro_account_has_a_rate_per_invoice_month(con):
    rates = con.execute(
        "select distinct invoice.month, currency_conversion_rate from export"
        f" where billing_account_id = '{ACME_EUR}' order by 1"
    ).fetchall()
    assert rates == [
        ("202409", 0.9047), ("202410", 0.9134), ("202411", 0.9218), ("202412", 0.9305),
    ]  # fmt: skip
    assert not count(con, "currency = 'USD' and currency_conversion_rate <> 1", "export")
    corrected = "resource.name = 'negated-eu' and currency_conversion_rate = 0.9305"
    assert count(con, corrected, "special") == 2


def test_trap_labels_null_and_empty(con):
    assert count(con, "labels is null and system_labels is null and tags is null") == 1
    assert count(con, "resource.name = 'labels-empty' and labels = []") == 1


def test_trap_keys_shared_by_labels_of_all_kinds(con):
    row = con.execute(
        "select list_transform(labels, lambda l: l.key), list_transform(system_labels, lambda l: l.key),"
        " list_transform(project.labels, lambda l: l.key), list_transform(tags, lambda l: l.key),"
        " list_transform(project.ancestors, lambda a: a.resource_name)"
        " from demo where resource.name = 'labels-share-keys'"
    ).fetchone()
    labels, *others = (set(keys) for keys in row)
    assert all(labels & other for other in others)


def test_trap_a_label_key_twice_in_one_row(con):
    assert (
        count(
            con,
            "len(labels) > len(list_distinct(list_transform(labels, lambda l: l.key)))",
        )
        == 1
    )


def test_trap_tags_differ_by_namespace_and_inheritance(con):
    assert (
        count(
            con,
            "resource.name = 'tag-namespaces' and tags[1].key = tags[2].key"
            " and tags[1].namespace <> tags[2].namespace and tags[1].inherited and not tags[2].inherited",
        )
        == 1
    )


def test_trap_text_that_breaks_quoting(con):
    name, labels = con.execute(
        "select resource.name, map_from_entries(list_transform(labels, lambda l: (l.key, l.value)))"
        " from demo where resource.name like 'caf%'"
    ).fetchone()
    assert name == "caf\u00e9 \"\u65e5\u672c\" 'quoted' back\\slash\nnew line"
    assert labels == {
        "owner": 'Zo\u00eb O\'Hara "ops" \\ \U0001f680',
        "note": "two\nlines,\twith; a tab",
        "attack": "'); drop table billing_cost_daily; --",
        "template": '{{ var("date") }} {tenant_id} ${HOME}',
        "empty": "",
        "missing": None,
    }


def test_trap_a_very_long_label(con):
    assert count(con, "len(labels[1].value) = 5000") == 1


@pytest.mark.parametrize(
    "name,month",
    [
        ("first-hours", "202409"),
        ("afternoon", "202410"),
        ("midnight", "202410"),
        ("october", "202410"),
        ("november", "202411"),
        ("standard-time", "202411"),
        ("december", "202412"),
        ("last-hour", "202412"),
    ],
)
def test_trap_the_pacific_clock_decides_the_invoice(con, name, month):
    assert values(con, f"select invoice.month from special where resource.name = '{name}'") == [
        month
    ]


def test_trap_the_edges_of_the_day(con):
    names = values(
        con,
        "select resource.name from demo where resource.name in ('afternoon', 'day-before',"
        " 'midnight', 'day-after', 'next-midnight') order by usage_start_time",
    )
    assert names == ["midnight", "day-after"]
    assert count(con, "usage_start_time = '2024-11-01 23:59:59.999999'") == 1
    assert count(con, "usage_start_time = usage_end_time") == 1


def test_trap_the_hour_that_comes_twice(con):
    assert con.execute(
        "select count(*), count(distinct usage_start_time at time zone 'America/Los_Angeles')"
        " from special where resource.name = 'clock-change'"
    ).fetchone() == (8, 7)


def test_trap_usage_of_more_than_a_day_and_of_a_month(con):
    assert count(con, "usage_end_time - usage_start_time > interval 24 hour and cost = 31.5") == 1
    assert count(con, "date_diff('day', usage_start_time, usage_end_time) >= 30") == 2


def test_trap_a_partition_older_than_the_usage(con):
    assert count(con, "_PARTITIONTIME = '2024-10-31' and export_time = '2024-11-01 03:30'") == 1
    assert (
        count(
            con,
            f"billing_account_id = '{ACME_USD}' and cast(usage_start_time as date) = '2024-11-01'"
            " and _PARTITIONTIME < '2024-11-01'",
            "export",
        )
        >= 10
    )


def test_trap_spend_cuds_of_the_old_model(con):
    assert con.execute(
        "select count(*) filter (subscription is not null), sum(credits[1].amount) from demo"
        " where sku.description like 'Commitment - dollar based%' or resource.name = 'covered-by-credits'"
    ).fetchone() == (24, -24.0)


def test_trap_spend_cuds_of_the_new_model(con):
    fee = "sku.description = 'Compute Flexible CUDs 1 Year'"
    assert count(con, f"{fee} and credits[1].type = 'FEE_UTILIZATION_OFFSET'") == 24
    assert count(con, f"{fee} and cost + credits[1].amount > 0.4") == 4
    assert (
        count(
            con,
            "resource.name = 'covered-by-price' and cost < cost_at_effective_price_default"
            " and cost_at_effective_price_default < cost_at_list and credits = []"
            " and price.effective_price < price.effective_price_default"
            " and consumption_model.applied_subscription_instance_id is not null",
        )
        == 24
    )
    assert (
        count(con, "consumption_model.description = 'Default' and resource.name is not null") == 24
    )


def test_trap_resource_cuds(con):
    assert (
        count(con, "sku.description like 'Commitment v1%' and subscription.instance_id is not null")
        == 1
    )
    assert count(con, "resource.name = 'committed-vm' and cost + credits[1].amount = 0") == 1


def test_trap_marketplace_purchases(con):
    assert values(
        con,
        "select transaction_type from demo where invoice.publisher_type = 'PARTNER'"
        " and seller_name = 'Initrode Software, Inc.' order by 1",
    ) == ["THIRD_PARTY_AGENCY", "THIRD_PARTY_RESELLER"]
    assert count(con, "subscription.instance_id = 'subscriptions/initrode-4711'") == 1


def test_trap_gke_namespaces(con):
    assert (
        count(
            con, "labels[1].key = 'goog-k8s-cluster-name' and labels[3].value = 'kube:unallocated'"
        )
        == 1
    )
    assert (
        count(
            con,
            "list_contains(list_transform(labels, lambda l: l.key), 'k8s-namespace')"
            f" and billing_account_id = '{ACME_USD}' and cast(usage_start_time as date) = '2024-11-01'",
            "export",
        )
        > 300
    )


def test_trap_columns_that_were_born_late(con):
    assert (
        count(
            con,
            "project.id = 'acme-nameless' and project.name is null and project.number is null"
            " and transaction_type is null and seller_name is null and usage is null and price is null"
            " and invoice.publisher_type is null and cost_at_list is null",
        )
        == 1
    )


def test_trap_prices_and_list_costs_are_not_always_there(con):
    for column in ("price", "cost_at_list"):
        where = f"{column} is null and billing_account_id = '{ACME_USD}'"
        assert count(con, where, "export") > 1_000
        assert count(con, where.replace("is null", "is not null"), "export") > 1_000


def test_trap_one_sku_and_hour_in_two_price_tiers(con):
    assert values(
        con,
        "select price.tier_start_amount::int from demo where resource.name = 'tiered' order by 1",
    ) == [0, 1024]


def test_trap_a_runaway_query(con):
    assert count(con, "resource.name = 'runaway-query' and cost = 75", "special") == 6


def test_trap_a_project_that_begins_like_another_tenants(con):
    assert (
        count(con, f"project.id = 'initech-ab-test' and billing_account_id = '{INITECH}'", "export")
        > 1_000
    )
    ids = values(
        con, f"select distinct project.id from export where billing_account_id = '{INITECH}'"
    )
    assert len(ids) == 13  # twelve and none
