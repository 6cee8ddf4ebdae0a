"""The control tables on BigQuery."""

from runner.bigquery import TIMEOUT_SECONDS, Client, require_own_dataset
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

    def drop(self, tenant: str) -> None:
        from google.api_core.exceptions import NotFound

        def drop() -> None:
            try:
                found = self._client.own.get_dataset(tenant, retry=None, timeout=TIMEOUT_SECONDS)
            except NotFound:
                return
            require_own_dataset(self._client, tenant, found)
            self._client.own.delete_dataset(
                tenant,
                delete_contents=True,
                not_found_ok=True,
                retry=None,
                timeout=TIMEOUT_SECONDS,
            )

        self._client.call(drop)
