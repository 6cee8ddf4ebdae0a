"""What the runner asks of the engine that has the tenants' data."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from runner.sql import Row, Value

# Called again and again during a wait, with what is waited for; what it raises ends the wait.
OnWait = Callable[[str], None]


class Dataset(Protocol):
    """The tenants' data. Timestamps go in and come out as aware UTC datetimes.

    Raises WarehouseUnreachable when the engine does not answer, StatementRefused when it refuses,
    AccountRefused when the process cannot act as the tenant's service account.
    """

    # Whether two runs of one tenant wait for each other; else dbt must find its tables made.
    has_one_writer: bool
    # Whether an export is a table, read by its partitions; else it is files, read completely.
    prunes_exports: bool

    def read(self, tenant: str, sql: str, **values: Value) -> list[Row]:
        """The rows of one query."""

    def write(self, tenant: str, *statements: str, **values: Value) -> None:
        """Run the statements in one transaction."""

    def query(self, sql: str, tenants: Sequence[str]) -> tuple[list[str], list[tuple[Any, ...]]]:
        """The columns and rows of one SELECT over these tenants' tables and the central ones.

        Tables without a dataset are the first tenant's. Raises UsageProblem for anything else.
        """

    def exclusive(
        self, tenant: str, on_wait: OnWait = lambda message: None
    ) -> AbstractContextManager[None]:
        """Hold the data where the engine lets only one process in; wait for it.

        Raises WarehouseUnreachable when a program that is not the runner has it for too long.
        """

    def account_of(self, tenant: str) -> str:
        """The service account as which the data is read and written; empty: the process's own."""

    def check_export(self, tenant: str, ref: str) -> None:
        """Raises WarehouseProblem or UsageProblem when the export cannot be read from here."""

    def check_exports(self, tenant: str, refs: Sequence[str]) -> None:
        """Before a run. Raises UsageProblem when a file of an export, or of the data, is lost."""

    def bytes_read(self, tenant: str, sql: str, **values: Value) -> int | None:
        """Bytes that a query would read, asked without running it; None where nothing is billed."""

    def prepare(self, tenant: str) -> None:
        """Make the place for the tenant's tables; raises WarehouseUnreachable when it cannot."""

    def prepare_landing(self, tenant: str) -> None:
        """Make the place where a landing's rows are for others to read, where that is apart."""

    def columns(self, tenant: str) -> dict[str, set[str]]:
        """The columns of each table of the tenant; empty without the dataset."""

    def has_table(self, tenant: str, table: str) -> bool:
        """Whether the tenant has the table."""

    def drop(self, tenant: str) -> None:
        """Delete the tenant's data, and nothing of another's. Nothing to delete is fine."""
