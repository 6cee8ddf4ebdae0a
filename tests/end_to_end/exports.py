"""Exports made by the tests: rows of Google's detailed export as Parquet, NDJSON or CSV."""

import copy
import csv
import gzip
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb

KEY_VALUE = 'struct("key" varchar, "value" varchar)[]'
# Google's detailed export, name by name: shared/data/schemas/gcp_billing_export_resource_v1.
DETAILED = {
    "billing_account_id": "varchar",
    "service": "struct(id varchar, description varchar)",
    "sku": "struct(id varchar, description varchar)",
    "usage_start_time": "timestamptz",
    "usage_end_time": "timestamptz",
    "project": (
        f'struct(id varchar, "number" varchar, "name" varchar, labels {KEY_VALUE},'
        " ancestry_numbers varchar,"
        " ancestors struct(resource_name varchar, display_name varchar)[])"
    ),
    "labels": KEY_VALUE,
    "system_labels": KEY_VALUE,
    "location": "struct(location varchar, country varchar, region varchar, zone varchar)",
    "resource": 'struct("name" varchar, global_name varchar)',
    "tags": 'struct("key" varchar, "value" varchar, inherited boolean, namespace varchar)[]',
    "price": (
        "struct(effective_price decimal(38, 9), tier_start_amount decimal(38, 9), unit varchar,"
        " pricing_unit_quantity decimal(38, 9), list_price decimal(38, 9),"
        " effective_price_default decimal(38, 9), list_price_consumption_model decimal(38, 9))"
    ),
    "subscription": "struct(instance_id varchar)",
    "transaction_type": "varchar",
    "seller_name": "varchar",
    "export_time": "timestamptz",
    "cost": "double",
    "currency": "varchar",
    "currency_conversion_rate": "double",
    "usage": (
        "struct(amount double, unit varchar, amount_in_pricing_units double, pricing_unit varchar)"
    ),
    "credits": (
        'struct("name" varchar, amount double, full_name varchar, id varchar, "type" varchar)[]'
    ),
    "invoice": 'struct("month" varchar, publisher_type varchar)',
    "cost_type": "varchar",
    "adjustment_info": 'struct(id varchar, description varchar, "mode" varchar, "type" varchar)',
    "cost_at_list": "double",
    "consumption_model": (
        "struct(id varchar, description varchar, applied_subscription_instance_id varchar)"
    ),
    "cost_at_effective_price_default": "double",
    "cost_at_list_consumption_model": "double",
    "_PARTITIONTIME": "timestamptz",
}
# As it was before 2023: what Google has added since is not there.
OLDER = {
    name: type_
    for name, type_ in DETAILED.items()
    if not name.startswith("cost_at_")
    and name not in ("tags", "subscription", "consumption_model", "transaction_type", "seller_name")
} | {
    "price": (
        "struct(effective_price decimal(38, 9), tier_start_amount decimal(38, 9), unit varchar,"
        " pricing_unit_quantity decimal(38, 9))"
    ),
    "invoice": 'struct("month" varchar)',
}
# The standard export knows no resource and no subscription.
STANDARD = {
    name: type_ for name, type_ in DETAILED.items() if name not in ("resource", "subscription")
}

ACCOUNT = "01AAAA-BBBBBB-CCCCCC"


def charge(day: str = "2024-11-01", cost: float = 1.0, **changes: Any) -> dict[str, Any]:
    """One charge row. A change to a record is merged into it; None makes the record null."""
    row: dict[str, Any] = {
        "billing_account_id": ACCOUNT,
        "service": {"id": "6F81-5844-456A", "description": "Compute Engine"},
        "sku": {"id": "AAAA-0001-0001", "description": "N1 core"},
        "usage_start_time": f"{day} 12:00:00+00",
        "usage_end_time": f"{day} 13:00:00+00",
        "project": {
            "id": "proj-one",
            "number": "1",
            "name": "Project One",
            "labels": [{"key": "team", "value": "core"}],
            "ancestry_numbers": "/1/",
            "ancestors": [{"resource_name": "organizations/1", "display_name": "org"}],
        },
        "labels": [{"key": "env", "value": "prod"}],
        "system_labels": [{"key": "env", "value": "system"}],
        "location": {"location": "us-east1", "country": "US", "region": "us-east1", "zone": None},
        "resource": {"name": "vm-1", "global_name": "//compute/vm-1"},
        "tags": [{"key": "cc", "value": "42", "inherited": False, "namespace": "n"}],
        "price": {
            "effective_price": 0.5,
            "tier_start_amount": 0,
            "unit": "hour",
            "pricing_unit_quantity": 1,
            "list_price": 0.75,
            "effective_price_default": 0.5,
            "list_price_consumption_model": 0.75,
        },
        "subscription": {"instance_id": "sub-1"},
        "transaction_type": "GOOGLE",
        "seller_name": "Google",
        "export_time": f"{day} 20:00:00+00",
        "cost": cost,
        "currency": "USD",
        "currency_conversion_rate": 1.0,
        "usage": {
            "amount": 3600.0,
            "unit": "seconds",
            "amount_in_pricing_units": 1.0,
            "pricing_unit": "hour",
        },
        "credits": [],
        "invoice": {"month": day[:7].replace("-", ""), "publisher_type": "GOOGLE"},
        "cost_type": "regular",
        "adjustment_info": None,
        "cost_at_list": cost,
        "consumption_model": {
            "id": "7754-699E-0EBF",
            "description": "Default",
            "applied_subscription_instance_id": None,
        },
        "cost_at_effective_price_default": cost,
        "cost_at_list_consumption_model": cost,
        "_PARTITIONTIME": f"{day} 00:00:00+00",
    }
    for name, value in changes.items():
        old = row[name]
        row[name] = {**old, **value} if isinstance(value, dict) and old else copy.copy(value)
    return row


def credit(amount: float, kind: str = "DISCOUNT") -> dict[str, Any]:
    """One element of `credits`."""
    return {"name": kind, "amount": amount, "full_name": kind, "id": kind.lower(), "type": kind}


def write_parquet(
    path: Path, rows: list[dict[str, Any]], columns: dict[str, str] = DETAILED
) -> Path:
    """Write rows with the given columns; a field that they do not know is left out."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = path.with_suffix(".rows")
    text.write_text("".join(json.dumps(row) + "\n" for row in rows))
    types = ", ".join(f"\"{name}\": '{type_}'" for name, type_ in columns.items())
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(
            f"copy (select * from read_json('{text}', format = 'newline_delimited',"
            f" columns = {{{types}}})) to '{path}' (format parquet)"
        )
    text.unlink()
    return path


def write_ndjson(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write rows as BigQuery's JSON extract does: nulls left out, gzipped, no partition time."""

    def without_nulls(value: Any) -> Any:
        if isinstance(value, str) and value.endswith(":00+00"):
            return value.replace("+00", ".000000 UTC")
        if isinstance(value, dict):
            return {k: without_nulls(v) for k, v in value.items() if v is not None}
        return [without_nulls(v) for v in value] if isinstance(value, list) else value

    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8") as file:
        for row in rows:
            kept = {k: v for k, v in row.items() if k != "_PARTITIONTIME"}
            file.write(json.dumps(without_nulls(kept)) + "\n")
    return path


def write_csv(
    path: Path,
    rows: list[dict[str, Any]],
    columns: Iterable[str] = DETAILED,
    delimiter: str = ",",
    line_end: str = "\n",
) -> Path:
    """Write rows as BigQuery's CSV extract would, were records allowed: as JSON. Null is empty."""
    names = [name for name in columns if name != "_PARTITIONTIME"]
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=line_end)
    writer.writerow(names)
    for row in rows:
        values = [row[name] for name in names]
        writer.writerow(
            "" if v is None else json.dumps(v) if isinstance(v, dict | list) else v for v in values
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    content = text.getvalue().encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path
