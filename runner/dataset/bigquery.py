"""The tenants' data on BigQuery: a dataset for each tenant."""

import functools
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from runner.bigquery import TIMEOUT_SECONDS, Client, require_own_dataset
from runner.bigquery_jobs import APP, job_config
from runner.dataset import data_sql
from runner.dataset.dataset import OnWait
from runner.errors import UsageProblem
from runner.sql import Row, Value

# How long the account of a tenant is cached.
ACCOUNT_SECONDS = 30.0
# BigQuery bills at least 10 MB for each table that a query reads.
LEAST_BYTES = 10 * 2**20


class BigQueryDataset:
    """Data in the target's project, read and written as the tenant's service account if it has
    one; see dataset.Dataset."""

    single_writer = False
    prunes_exports = True

    def __init__(self, client: Client) -> None:
        self._client = client
        self._accounts: dict[str, tuple[float, str]] = {}

    def read(self, tenant: str, sql: str, **values: Value) -> list[Row]:
        return self._client.query(sql, values, account=self.account_of(tenant))

    def write(self, tenant: str, *statements: str, **values: Value) -> None:
        self._client.transaction(self.account_of(tenant), dict, statements, values)

    def query(self, sql: str, tenants: Sequence[str]) -> tuple[list[str], list[tuple[Any, ...]]]:
        # The tenant's own account may not read the central tables.
        is_central = len(tenants) != 1 or re.search(r"\btenants\b", sql)
        account = "" if is_central else self.account_of(tenants[0])
        default = f"{self._client.as_account(account).project}.{tenants[0]}" if tenants else None

        def ask() -> tuple[list[str], list[tuple[Any, ...]]]:
            from google.cloud import bigquery

            client = self._client.as_account(account)
            dry_run = bigquery.QueryJobConfig(dry_run=True, default_dataset=default)
            tried = client.query(sql, dry_run, timeout=TIMEOUT_SECONDS)
            if tried.statement_type != "SELECT":
                raise UsageProblem("Only one SELECT statement can be run: nothing was run.")
            config = bigquery.QueryJobConfig(
                default_dataset=default, labels={"app": APP}, **self._client.capped
            )
            job = client.query(sql, config, timeout=TIMEOUT_SECONDS)
            try:
                rows = job.result(timeout=TIMEOUT_SECONDS)
            except TimeoutError:
                job.cancel(timeout=TIMEOUT_SECONDS)
                raise UsageProblem(
                    f"The query was cancelled after {TIMEOUT_SECONDS:.0f} s: make it read fewer"
                    " rows."
                ) from None
            return [field.name for field in rows.schema], [tuple(row.values()) for row in rows]

        return self._client.call(ask, account)

    def exclusive(
        self, tenant: str, on_wait: OnWait = lambda message: None
    ) -> AbstractContextManager[None]:
        return nullcontext()

    def account_of(self, tenant: str) -> str:
        until, account = self._accounts.get(tenant, (0.0, ""))
        if until <= time.monotonic():
            account = self._account_set(tenant)
            self._accounts[tenant] = (time.monotonic() + ACCOUNT_SECONDS, account)
        if account:
            self._client.as_account(account)
        return account

    def _account_set(self, tenant: str) -> str:
        # The table is missing until the first tenant is added.
        is_made = self._client.table("tenants.tenant_profiles") is not None
        rows = self._client.query(data_sql.PROFILE, {"tenant_id": tenant}) if is_made else []
        return next((row.get("service_account") or "" for row in rows), "")

    def check_export(self, tenant: str, ref: str) -> None:
        found = self._client.table(ref, self.account_of(tenant))
        if found is None:
            raise UsageProblem(f"The export {ref} was not found: check its name.")
        self._require_location(ref, str(found.location or ""))
        self.bytes_read(tenant, data_sql.PROBE_EXPORT.format(table=ref))

    def check_exports(self, tenant: str, refs: Sequence[str]) -> None:
        """Nothing: a table has no files."""

    def bytes_read(self, tenant: str, sql: str, **values: Value) -> int | None:
        return int(self._dry_run(tenant, sql, values).total_bytes_processed)

    def bytes_billed(self, tenant: str, sql: str) -> int | None:
        job = self._dry_run(tenant, sql, {})
        return max(int(job.total_bytes_processed), LEAST_BYTES * len(job.referenced_tables))

    def _dry_run(self, tenant: str, sql: str, values: Mapping[str, Value]) -> Any:
        config = job_config(sql, values, dry_run=True, use_query_cache=False)
        account = self.account_of(tenant)

        def ask() -> Any:
            client = self._client.as_account(account)
            return client.query(sql, job_config=config, retry=None, timeout=TIMEOUT_SECONDS)

        return self._client.call(ask, account)

    def prepare(self, tenant: str) -> None:
        from google.cloud import bigquery

        def make(name: str) -> bigquery.Dataset:
            dataset = bigquery.Dataset(f"{self._client.own.project}.{name}")
            dataset.location = self._client.fields.get("location")
            dataset.labels = {"app": APP, "dataset": name}
            return self._client.own.create_dataset(
                dataset, exists_ok=True, retry=None, timeout=TIMEOUT_SECONDS
            )

        for name in ("tenants", tenant):
            found = self._client.call(functools.partial(make, name))
            self._require_location(name, str(found.location or ""))
            require_own_dataset(self._client, name, found)

    def prepare_landing(self, tenant: str) -> None:
        """Nothing: other tenants read the landing's own table."""

    def _require_location(self, what: str, location: str) -> None:
        """Raises UsageProblem for data in another location than the target's jobs."""
        expected = str(self._client.fields.get("location") or "US")
        if location and location.lower() != expected.lower():
            raise UsageProblem(
                f"{what} is in {location}, but the target's jobs run in {expected}. One project"
                f" serves one location: set BIGQUERY_LOCATION={location}, or use another"
                " GCP_PROJECT for each location."
            )

    def columns(self, tenant: str) -> dict[str, set[str]]:
        return self._client.columns(tenant, self.account_of(tenant))

    def has_table(self, tenant: str, table: str) -> bool:
        return self._client.table(f"{tenant}.{table}", self.account_of(tenant)) is not None

    def drop(self, tenant: str) -> None:
        """Nothing: the data is dropped with the tenant's control tables, in the same dataset."""
