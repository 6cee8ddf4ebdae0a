"""A billing export in the emulator: ingestion-time partitioned, rows in chosen partitions."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

from google.cloud import bigquery

# The SQL types that BigQuery schema JSON names otherwise.
SQL_TYPES = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL"}


def make_export(
    client: bigquery.Client,
    table: str,
    schema: Path,
    rows: Path,
    partition: str = "timestamp_trunc(usage_start_time, day)",
) -> int:
    """Create the table of schema JSON and put the ndjson.gz rows into it; returns their number.

    `partition` is an SQL expression over a row that gives its `_PARTITIONTIME`, at midnight UTC.
    The dataset must exist.
    """
    client.query_and_wait(ddl(table, json.loads(schema.read_text())))
    with gzip.open(rows) as source:
        return append_rows(client, table, schema, source.read(), partition)


def append_rows(
    client: bigquery.Client,
    table: str,
    schema: Path,
    lines: bytes,
    partition: str = "timestamp_trunc(usage_start_time, day)",
) -> int:
    """Put NDJSON rows into an export; returns their number.

    They go through a table of their own, for a load job into an ingestion-time partition is
    not to be had in the emulator.
    """
    fields = json.loads(schema.read_text())
    columns = ", ".join(f"`{f['name']}`" for f in fields)
    landing = f"{table}_landing"
    config = bigquery.LoadJobConfig(
        schema=[bigquery.SchemaField.from_api_repr(f) for f in fields],
        source_format=bigquery.SourceFormat.NEWLINE_DELIMITED_JSON,
        write_disposition=bigquery.WriteDisposition.WRITE_TRUNCATE,
    )
    client.load_table_from_file(io.BytesIO(lines), landing, job_config=config).result()
    insert = client.query(
        f"insert into `{table}` (_PARTITIONTIME, {columns}) "
        f"select {partition}, {columns} from `{landing}`"
    )
    insert.result()
    client.delete_table(landing)
    return insert.num_dml_affected_rows or 0


def ddl(table: str, fields: list[dict[str, Any]]) -> str:
    """The CREATE TABLE for schema JSON, partitioned by ingestion day as Google's exports are."""
    columns = ", ".join(f"`{f['name']}` {_sql_type(f)}" for f in fields)
    return f"create table `{table}` ({columns}) partition by _PARTITIONDATE"


def _sql_type(field: dict[str, Any]) -> str:
    kind: str = field["type"]
    if kind in ("RECORD", "STRUCT"):
        inner = ", ".join(f"`{f['name']}` {_sql_type(f)}" for f in field["fields"])
        kind = f"struct<{inner}>"
    kind = SQL_TYPES.get(kind, kind)
    return f"array<{kind}>" if field.get("mode") == "REPEATED" else kind
