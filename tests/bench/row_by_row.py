"""The predecessor's manner: fetch rows, process each in Python, insert it by itself.

row_by_row.py EXPORT DATE    copies one date's rows; no silver table, no mart, no test
"""

import sys
import uuid
from datetime import date
from decimal import Decimal

import duckdb


def main(export: str, day: str) -> None:
    with duckdb.connect() as target, duckdb.connect() as source:
        target.execute(
            "create table billing_cost_daily (ingestion_id varchar, ingestion_date date,"
            " billing_account_id varchar, service_id varchar, sku_id varchar, project_id varchar,"
            " labels varchar, cost decimal(38, 9), credits decimal(38, 9), currency varchar)"
        )
        wanted = date.fromisoformat(day)
        source.execute("set TimeZone = 'UTC'")
        source.execute(
            "select billing_account_id, service, sku, project, labels, usage_start_time, cost,"
            f" credits, currency from '{export}'"
        )
        while rows := source.fetchmany(1_000):
            for account, service, sku, project, labels, begins, cost, credits, currency in rows:
                if begins.date() != wanted:
                    continue
                target.execute(
                    "insert into billing_cost_daily values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    [
                        *(str(uuid.uuid4()), wanted, account, service["id"], sku["id"]),
                        *(project["id"], str(labels), Decimal(str(cost))),
                        *(
                            sum((Decimal(str(one["amount"])) for one in credits), Decimal(0)),
                            currency,
                        ),
                    ],
                )


if __name__ == "__main__":
    main(*sys.argv[1:])
