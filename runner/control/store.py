"""The interface of the engine that has the control tables."""

from collections.abc import Collection
from typing import Protocol

from runner.sql import Row, Value, When


class Store(Protocol):
    """The control tables. Timestamps go in and come out as aware UTC datetimes.

    Raises WarehouseUnreachable when the engine does not answer, StatementRefused when it refuses.
    """

    # How often a waiting command reads the tables again.
    poll_seconds: float

    def read(self, sql: str, **values: Value) -> list[Row]:
        """The rows of one query."""

    def write(self, *statements: str, **values: Value) -> list[Row]:
        """Run the statements in one transaction; the rows of the last, if it is a query."""

    def write_in_turn(self, when: When, *statements: str, **values: Value) -> list[Row]:
        """The same; `when` returns the values that depend on the time of the transaction."""

    def hurry(self) -> None:
        """After a signal: wait for other commands for a few seconds at most."""

    def exists(self) -> bool:
        """Whether the control tables were ever created."""

    def require_writable(self) -> None:
        """Raises WarehouseUnreachable when the tables cannot be written."""

    def columns(self, dataset: str) -> dict[str, set[str]]:
        """The columns of each table of `tenants` or a tenant; empty without the dataset."""

    def complete(self, tenant: str) -> bool:
        """Make the tables and columns that are missing; False where dbt makes them."""

    def cancel_jobs(self, tenant: str, run_ids: Collection[str]) -> None:
        """Cancel the engine's jobs of these runs of the tenant, and wait until they have ended.

        Raises WarehouseUnreachable when one does not end, or jobs may not be listed.
        """

    def drop(self, tenant: str) -> None:
        """Delete this tenant's control tables, and no others."""
