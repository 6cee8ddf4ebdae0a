"""How often months ended within the 95 % band of cost_forecast, over the sample and nise's export.

forecast_backtest.py [NISE_EXPORT.parquet]      prints a line per billing account, in five minutes

Each tenant's bill is built once. Then the marts' own views run on it as of each loaded date: they
see the dates up to that one, exported by its end. A charge that came late or was corrected is there
from its own date on.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import duckdb

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support import ROOT, SHARED, environment_in

TABLES = ("cost_daily", "invoice_cost_daily", "cost_by_service_daily")
# In the order in which they read each other.
VIEWS = ("usage_calendar", "cost_by_account_daily", "cost_forecast", "cost_movers")


class Forecast(NamedTuple):
    """A month's forecast as of a date, and what the month cost in the end."""

    account: str
    as_of: str
    month: str
    is_inside: bool


def runner(environ: dict[str, str], *args: str) -> None:
    command = [sys.executable, "-m", "runner", *args]
    subprocess.run(command, env=os.environ | environ, cwd=ROOT, check=True, stdout=subprocess.PIPE)


def build(environ: dict[str, str], tenant: str, first: str, last: str) -> None:
    runner(environ, "run", "--tenant", tenant, "--from", first, "--to", last)


def as_of_each_date(bill: Path, tenant: str) -> duckdb.DuckDBPyConnection:
    """The tenant's trend marts over its dates up to the one in the table as_of."""
    catalog = bill.stem
    con = duckdb.connect()
    con.execute("set TimeZone = 'UTC'")
    con.execute(f"attach '{bill}' as bill (read_only)")
    con.execute(f"attach ':memory:' as {catalog}")
    con.execute(f"create schema {catalog}.{tenant}")
    con.execute(f"use {catalog}.{tenant}")
    con.execute("create table as_of (day date)")
    con.execute("insert into as_of values (null)")
    known = "where usage_date <= (select day from as_of)"
    for table in TABLES:
        con.execute(f"create view {table} as select * from bill.{tenant}.{table} {known}")
    con.execute(
        "create view loaded_dates as"
        " select * replace (end_of_day as last_export_time, end_of_day as loaded_at)"
        " from (select *, (select day from as_of) + interval 23 hour as end_of_day"
        f" from bill.{tenant}.loaded_dates {known})"
    )
    for view in VIEWS:
        [(sql,)] = con.execute(
            "select sql from duckdb_views() where database_name = 'bill' and view_name = ?", [view]
        ).fetchall()
        query = sql.partition(" AS ")[2].replace("bill.", f"{catalog}.")
        con.execute(f"create view {view} as {query}")
    return con


def forecasts(con: duckdb.DuckDBPyConnection, tenant: str) -> Iterator[Forecast]:
    """The forecast of each date's own month, as of that date, where there is one."""
    actual = {
        (month, account): cost
        for month, account, cost in con.execute(
            "select strftime(usage_date, '%Y%m'), billing_account_id, sum(billed_cost)"
            f" from bill.{tenant}.invoice_cost_daily group by all"
        ).fetchall()
    }
    dates = con.execute(f"select usage_date from bill.{tenant}.loaded_dates order by 1").fetchall()
    for (day,) in dates:
        con.execute("update as_of set day = ?", [day])
        for account, month, cost, band in con.execute(
            "select billing_account_id, usage_month, forecast_cost, forecast_band_cost"
            " from cost_forecast where forecast_cost is not null and remaining_days > 0"
            " and usage_month = strftime((select day from as_of), '%Y%m')"
        ).fetchall():
            is_inside = abs(actual[month, account] - cost) <= band
            yield Forecast(account, day.isoformat(), month, is_inside)


def report(bill: Path, tenant: str) -> list[Forecast]:
    con = as_of_each_date(bill, tenant)
    found = list(forecasts(con, tenant))
    for account in sorted({one.account for one in found}):
        of_account = [one for one in found if one.account == account]
        outside = [one.as_of for one in of_account if not one.is_inside]
        print(
            f"{tenant} {account}: {len(of_account) - len(outside)} of {len(of_account)} forecasts"
            f" had the month within their band; not those of {', '.join(outside) or 'no date'}"
        )
    return found


def main(nise: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        environ = environment_in(Path(folder)) | {"PYTHONPATH": str(ROOT)}
        runner(environ, "init")
        build(environ, "acme1281", "2024-10-01", "2024-12-31")
        runner(
            environ, "tenant", "add", "nise", "--admin-email", "a@b.example", "--export", str(nise)
        )
        build(environ, "nise", "2026-07-01", "2026-08-31")
        found = [
            one
            for tenant in ("acme1281", "nise")
            for one in report(Path(folder) / "warehouse" / f"tenant_{tenant}.duckdb", tenant)
        ]
    inside = sum(one.is_inside for one in found)
    print(f"together: {inside} of {len(found)}, {100 * inside / len(found):.1f} %")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else SHARED / "data/nise/nise_resource_v1.parquet")
