"""The interface of the engine that has the tenants' data."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from runner.sql import Row, Value

# Called repeatedly during a wait, with its reason; an exception that it raises ends the wait.
OnWait = Callable[[str], None]


class Dataset(Protocol):
    """The tenants' data. Timestamps go in and come out as aware UTC datetimes.

    Raises WarehouseUnreachable when the engine does not answer, StatementRefused when it refuses,
    AccountRefused when the process cannot act as the tenant's service account.
    """

    # Whether the engine lets one process write a tenant's data at a time. If not, onboarding must
    # make the tables, so that two first runs do not both make them.
    single_writer: bool
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
        """Hold the tenant's data exclusively where `single_writer` is set; wait for it.

        Raises WarehouseUnreachable when another program than the runner has it for too long.
        """

    def account_of(self, tenant: str) -> str:
        """The service account as which the data is read and written; empty: the process's own."""

    def check_export(self, tenant: str, ref: str) -> None:
        """Raises WarehouseProblem or UsageProblem when the export cannot be read from here."""

    def check_exports(self, tenant: str, refs: Sequence[str]) -> None:
        """Raises UsageProblem when a file of an export, or of the data, is damaged or missing."""

    def bytes_read(self, tenant: str, sql: str, **values: Value) -> int | None:
        """Bytes that a query would read, by a dry run; None where nothing is billed."""

    def bytes_billed(self, tenant: str, sql: str) -> int | None:
        """The least bytes that would be billed for a query; None where nothing is billed."""

    def prepare(self, tenant: str) -> None:
        """Make the tenant's dataset or folder; raises WarehouseUnreachable when it cannot."""

    def prepare_landing(self, tenant: str) -> None:
        """Make the folder from which other tenants read a landing's rows, if it needs one."""

    def columns(self, tenant: str) -> dict[str, set[str]]:
        """The columns of each table of the tenant; empty without the dataset."""

    def has_table(self, tenant: str, table: str) -> bool:
        """Whether the tenant has the table."""

    def drop(self, tenant: str) -> None:
        """Delete this tenant's data, and no other; no error when there is none."""
