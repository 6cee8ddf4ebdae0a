"""A BigQuery job's configuration: values bound by type, and labels of its tenant and run."""

import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from runner.sql import Value

if TYPE_CHECKING:
    from google.cloud import bigquery

APP = "gcp_tenant_cost"
_LABEL = re.compile(r"[a-z0-9_-]{1,63}")

# The type of a null, by its parameter's name; else STRING.
TYPES_OF_NULL = (
    (re.compile(r"(_at|_time)(_\d+)?$"), "TIMESTAMP"),
    (re.compile(r"^(is|has)_"), "BOOL"),
    (re.compile(r"(_date|^day|partitions_from|newest_partition)$"), "DATE"),
    (re.compile(r"(_limit|_count|_ms|max_\w+?)(_\d+)?$"), "INT64"),
)


def job_config(sql: str, values: Mapping[str, Value], **more: int) -> "bigquery.QueryJobConfig":
    """A configuration with the values that the statement names, and labels of tenant and run."""
    from google.cloud import bigquery

    labels = {"app": APP, "tenant": values.get("tenant_id"), "run": values.get("run_id")}
    named = set(re.findall(r"@(\w+)", sql))
    return bigquery.QueryJobConfig(
        query_parameters=[
            bigquery.ScalarQueryParameter(name, _type_of(name, value), value)
            for name, value in values.items()
            if name in named
        ],
        labels={key: value for key, value in labels.items() if _LABEL.fullmatch(str(value))},
        **more,
    )


def _type_of(name: str, value: Value) -> str:
    if value is None:
        return next((kind for end, kind in TYPES_OF_NULL if end.search(name)), "STRING")
    if isinstance(value, bool):
        return "BOOL"
    if isinstance(value, int):
        return "INT64"
    if isinstance(value, Decimal):
        return "NUMERIC"
    if isinstance(value, datetime):
        return "TIMESTAMP"
    if isinstance(value, date):
        return "DATE"
    return "STRING"
