"""The control tables on BigQuery: bound parameters, one script per transaction, bounded retries."""

import random
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

from runner import control_sql
from runner.errors import WarehouseUnreachable
from runner.settings import Target
from runner.warehouse import Row, Value, by_table

if TYPE_CHECKING:
    from google.cloud import bigquery

Answer = TypeVar("Answer")

# No call waits longer than this for BigQuery; a control statement takes a second or two.
TIMEOUT_SECONDS = 120.0
ATTEMPTS = 8


class BigQueryWarehouse:
    """Control tables and data in the target's project; one dataset per tenant."""

    # A look is a query: often enough for a cancel, seldom enough for the bill.
    seconds_between_looks = 15.0

    def __init__(self, target: Target, environ: Mapping[str, str]) -> None:
        self._fields = target.fields
        self._environ = environ
        self._made: bigquery.Client | None = None

    def read(self, sql: str, **values: Value) -> list[Row]:
        return self._query(sql, values)

    def write(self, *statements: str, **values: Value) -> list[Row]:
        script = ";\n".join(statement.strip() for statement in statements)
        queries = statements[-1].lstrip().lower().startswith("select")
        body, last = script.rsplit(";\n", 1) if queries else (script, "select 1 as done")
        # The last statement's rows are the script's: a query is asked after the commit too.
        rows = self._query(
            f"begin transaction;\n{body};\ncommit transaction;\n{last};",
            values,
        )
        return rows if queries else []

    def read_data(self, tenant: str, sql: str, **values: Value) -> list[Row]:
        return self._query(sql, values)

    def write_data(self, tenant: str, *statements: str, **values: Value) -> None:
        self.write(*statements, **values)

    def alone_with(self, tenant: str) -> AbstractContextManager[None]:
        return nullcontext()

    def alone_with_control(self) -> AbstractContextManager[None]:
        return nullcontext()

    def bytes_read(self, sql: str) -> int | None:
        from google.cloud import bigquery

        config = bigquery.QueryJobConfig(dry_run=True, use_query_cache=False)
        return self._call(
            lambda: int(
                self._client.query(
                    sql, job_config=config, timeout=TIMEOUT_SECONDS
                ).total_bytes_processed
            )
        )

    def prepare(self, tenant: str) -> None:
        from google.cloud import bigquery

        def make(name: str, labels: dict[str, str]) -> None:
            dataset = bigquery.Dataset(f"{self._client.project}.{name}")
            dataset.location = self._fields.get("location")
            dataset.labels = labels
            self._client.create_dataset(dataset, exists_ok=True, timeout=TIMEOUT_SECONDS)

        self._call(lambda: make("tenants", {"app": "gcp_tenant_cost"}))
        self._call(lambda: make(tenant, {"app": "gcp_tenant_cost", "tenant": tenant}))

    def exists(self) -> bool:
        from google.api_core.exceptions import NotFound

        def get() -> bool:
            try:
                self._client.get_table("tenants.tenant_profiles", timeout=TIMEOUT_SECONDS)
            except NotFound:
                return False
            return True

        return self._call(get)

    def columns(self, dataset: str, data: bool = False) -> dict[str, set[str]]:
        from google.api_core.exceptions import NotFound

        try:
            return by_table(self._query(control_sql.COLUMNS_BIGQUERY.format(dataset=dataset), {}))
        except WarehouseUnreachable as error:
            if isinstance(error.__cause__, NotFound):
                return {}
            raise

    def drop_data(self, tenant: str) -> None:
        """Nothing by itself: data and control tables share the tenant's dataset."""

    def drop_control(self, tenant: str) -> None:
        self._call(
            lambda: self._client.delete_dataset(
                tenant, delete_contents=True, not_found_ok=True, timeout=TIMEOUT_SECONDS
            )
        )

    def dbt_vars_for_control(self) -> dict[str, str]:
        return {}

    @property
    def _client(self) -> "bigquery.Client":
        if self._made is None:
            from google.api_core.client_options import ClientOptions
            from google.auth.credentials import AnonymousCredentials
            from google.auth.exceptions import GoogleAuthError
            from google.cloud import bigquery

            emulator = self._environ.get("BIGQUERY_EMULATOR_HOST", "")
            common = {"project": self._fields["project"], "location": self._fields.get("location")}
            try:
                if emulator:
                    url = emulator if "://" in emulator else f"http://{emulator}"
                    self._made = bigquery.Client(
                        **common,
                        credentials=AnonymousCredentials(),
                        client_options=ClientOptions(api_endpoint=url),
                    )
                elif self._fields.get("method") == "service-account":
                    self._made = bigquery.Client.from_service_account_json(
                        str(self._fields["keyfile"]), **common
                    )
                else:
                    self._made = bigquery.Client(**common)
            except (GoogleAuthError, OSError, ValueError) as error:
                raise WarehouseUnreachable(
                    f"BigQuery credentials cannot be used ({error}): run"
                    " `gcloud auth application-default login`, or set BIGQUERY_METHOD and"
                    " GOOGLE_APPLICATION_CREDENTIALS."
                ) from error
        return self._made

    def _query(self, sql: str, values: Mapping[str, Value]) -> list[Row]:
        from google.cloud import bigquery

        config = bigquery.QueryJobConfig(
            query_parameters=[
                bigquery.ScalarQueryParameter(name, _type_of(value), value)
                for name, value in values.items()
                if f"@{name}" in sql
            ],
            labels={"app": "runner"},
        )

        def ask() -> list[Row]:
            # A fixed id: a request that is sent again meets the job it made the first time.
            job = self._client.query(
                sql,
                job_config=config,
                job_id=f"runner-{uuid.uuid4()}",
                job_retry=None,
                timeout=TIMEOUT_SECONDS,
            )
            rows = job.result(timeout=TIMEOUT_SECONDS)
            return [dict(row.items()) for row in rows]

        return self._call(ask)

    def _call(self, ask: Callable[[], Answer]) -> Answer:
        """Ask, and again with growing pauses when BigQuery says that it may go next time."""
        from google.api_core import exceptions

        for attempt in range(1, ATTEMPTS + 1):
            try:
                return ask()
            except exceptions.GoogleAPICallError as error:
                again = isinstance(error, exceptions.TooManyRequests | exceptions.ServerError) or (
                    "transaction" in str(error).lower() and "abort" in str(error).lower()
                )
                if not again or attempt == ATTEMPTS:
                    raise WarehouseUnreachable(_told(error)) from error
                time.sleep(random.uniform(0.1, 0.4) * 2**attempt)
            except (OSError, TimeoutError) as error:
                raise WarehouseUnreachable(
                    f"BigQuery did not answer ({error}): check the network and try again."
                ) from error
        raise AssertionError("unreachable")


def _type_of(value: Value) -> str:
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


def _told(error: Any) -> str:
    """BigQuery's refusal in one sentence with what to do."""
    from google.api_core import exceptions

    message = str(error.message).splitlines()[0]
    if isinstance(error, exceptions.Unauthorized):
        return f"BigQuery does not know who asks ({message}): see docs/bigquery.md, credentials."
    if isinstance(error, exceptions.Forbidden):
        return f"BigQuery refused ({message}): see docs/bigquery.md for the grants."
    if isinstance(error, exceptions.NotFound):
        return f"BigQuery has no such thing ({message}): run `runner tenant add` to make it."
    return f"BigQuery failed ({message}): try again."
