"""What one difficult date adds up to in other tools' ways.

Reads the sample export that `runner init --sample-rows 20000` made (WAREHOUSE_DIR, default
./warehouse), the demo tenant's two accounts, 2024-11-01. Each way is written from the tool's own
published code, named beside it; docs/verification.md has the figures.
"""

import os
from decimal import Decimal
from pathlib import Path

import duckdb

MONEY = "decimal(38, 9)"
ACCOUNTS = ("01ECB7-6EE0BA-7357F1", "01EA5E-2C40D9-B81F36")
CREDITS = (
    f"coalesce(list_sum(list_transform(credits, lambda c: cast(c.amount as {MONEY}))),"
    f" cast(0 as {MONEY}))"
)
NET = f"cast(cost as {MONEY}) + {CREDITS}"

WAYS = {
    "the export itself": f"select currency, sum({NET}) from charges",
    # project-koku/koku, gcp_post_processor.py, process_gcp_credits: the first credit of a row is
    # kept, and summed as credit_amount by reporting_gcpcostentrylineitem_daily_summary.sql. All
    # invoice months are counted here; koku reads those of the summarised range.
    "koku: only the first credit of each row": f"""
        select currency,
            sum(cast(cost as {MONEY}) + coalesce(cast(credits[1].amount as {MONEY}), 0))
        from charges""",
    # opencost/opencost, pkg/cloud/gcp/bigqueryintegration.go: partitions from the day to two days
    # after its end, no currency among the columns.
    "OpenCost: partitions of three days": f"""
        select currency, sum({NET}) from charges
        where _PARTITIONTIME >= '2024-11-01' and _PARTITIONTIME < '2024-11-04'""",
    # llooker/gcp_billing_block, views/gcp_billing_export.view.lkml: credits summed by the key
    # concat(id, row), so one of each id in a row.
    "Looker block: one credit per credit id in each row": f"""
        select currency, sum(cast(cost as {MONEY}) + coalesce((
            select sum(amount) from (
                select any_value(cast(c.amount as {MONEY})) as amount
                from (select unnest(credits) as c) where c.id is not null group by c.id
            )), 0)) from charges""",
    # gitlab-analytics, detailed_gcp_billing_source.sql: equal rows grouped, cost and usage
    # multiplied by their number, credits not.
    "GitLab: credits of identical rows count once": f"""
        select currency, sum(cost * n) + sum(credit) from (
            select alike, currency, any_value(cast(cost as {MONEY})) as cost, count(*) as n,
                any_value({CREDITS}) as credit
            from (select *, cast(to_json(one) as varchar) as alike from (
                select *, struct_pack(a := service, b := sku, c := usage_start_time,
                    d := usage_end_time, e := project, f := labels, g := system_labels,
                    h := location, i := resource, j := cost, k := credits, l := usage,
                    m := invoice, n := cost_type, o := export_time, p := adjustment_info,
                    q := billing_account_id, r := _PARTITIONTIME) as one
                from charges
            ))
            group by alike, currency
        )""",
    # gitlab-analytics, rpt_gcp_billing_*: labels of one key joined to the charges.
    "GitLab: joined to the label `team`": f"""
        select currency, sum({NET}) from charges left join (
            select row_id as id from (select row_id, unnest(labels) as l from charges)
            where l.key = 'team'
        ) on id = row_id""",
    "joined to its credits": f"""
        select currency, sum(cast(cost as {MONEY}))
        from (select currency, cost, unnest(credits) from charges)""",
    "filtered by project": f"select currency, sum({NET}) from charges where project.id is not null",
    "cost above 0 only": f"select currency, sum(cast(cost as {MONEY})) from charges where cost > 0",
    "select distinct": f"""
        select currency, sum({NET}) from (select distinct * exclude (row_id) from charges)""",
}


def totals(sample: str) -> dict[str, dict[str, Decimal]]:
    """What each way makes of the sample, by currency."""
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(
            "create table charges as select *, row_number() over () as row_id"
            " from read_parquet(?) where billing_account_id in ? and"
            " cast(usage_start_time as date) = '2024-11-01'",
            [sample, list(ACCOUNTS)],
        )
        return {
            name: dict(connection.execute(f"{query} group by currency").fetchall())
            for name, query in WAYS.items()
        }


def table(found: dict[str, dict[str, Decimal]]) -> list[str]:
    """The rows of the table in docs/verification.md."""
    return [
        f"| {name} | {of.get('USD', 0):,f} | {of.get('EUR', 0):,f} |" for name, of in found.items()
    ]


def main() -> None:
    sample = Path(os.environ.get("WAREHOUSE_DIR", "warehouse")) / "sample" / "*.parquet"
    print("\n".join(table(totals(str(sample)))))


if __name__ == "__main__":
    main()
