"""The control tables on BigQuery."""

import time
from collections.abc import Collection
from typing import Any

from runner.bigquery import OWN_JOBS, TIMEOUT_SECONDS, Client, require_own_dataset
from runner.control import accounts_sql
from runner.errors import WarehouseUnreachable
from runner.sql import Row, Value, When


class BigQueryStore:
    """`tenants` and the control tables of each tenant's dataset; see store.Store."""

    # Each poll is a billed query: a cancel is seen within 15 seconds, at an acceptable cost.
    poll_seconds = 15.0

    def __init__(self, client: Client) -> None:
        self._client = client

    def read(self, sql: str, **values: Value) -> list[Row]:
        return self._client.query(sql, values)

    def write(self, *statements: str, **values: Value) -> list[Row]:
        return self.write_in_turn(dict, *statements, **values)

    def write_in_turn(self, when: When, *statements: str, **values: Value) -> list[Row]:
        return self._client.transaction("", when, statements, values)

    def hurry(self) -> None: ...

    def exists(self) -> bool:
        return self._client.table("tenants.tenant_profiles") is not None

    def require_writable(self) -> None: ...

    def columns(self, dataset: str) -> dict[str, set[str]]:
        return self._client.columns(dataset)

    def complete(self, tenant: str) -> bool:
        return False  # dbt makes them, see models/control

    def cancel_jobs(self, tenant: str, run_ids: Collection[str]) -> None:
        rows = self.read(accounts_sql.CREDENTIALS.format(tenant=tenant), tenant_id=tenant)
        account = next((row["impersonate"] or "" for row in rows), "")
        once: Any = {"retry": None, "timeout": TIMEOUT_SECONDS}

        def cancel() -> list[str]:
            """Cancel those that have not ended; returns their ids."""
            every, found = {**once, "all_users": bool(account)}, []
            for state in ("pending", "running"):  # in this order, for pending ones begin meanwhile
                listed = self._client.own.list_jobs(state_filter=state, **every)
                of_dbt = (job for job in listed if not job.job_id.startswith(OWN_JOBS))
                found += [job for job in of_dbt if job.labels.get("run") in run_ids]
            for job in found:
                by = account if job.user_email == account else ""
                job.cancel(client=self._client.as_account(by), **once)
            return [job.job_id for job in found]

        ends = time.monotonic() + TIMEOUT_SECONDS
        while found := self._client.call(cancel):
            if time.monotonic() > ends:
                raise WarehouseUnreachable(
                    f"The BigQuery job {found[0]} of a dead run could not be cancelled: run"
                    f" `bq cancel {found[0]}`, then run this command again."
                )
            time.sleep(1)

    def drop(self, tenant: str) -> None:
        from google.api_core.exceptions import NotFound

        def drop() -> None:
            try:
                found = self._client.own.get_dataset(tenant, retry=None, timeout=TIMEOUT_SECONDS)
            except NotFound:
                return
            require_own_dataset(self._client, tenant, found)
            self._client.own.delete_dataset(
                tenant, delete_contents=True, not_found_ok=True, retry=None, timeout=TIMEOUT_SECONDS
            )

        self._client.call(drop)
