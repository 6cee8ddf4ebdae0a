"""A dbt job, its events and its outcome."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from runner.expectations import FailedExpectation


@dataclass(frozen=True)
class Job:
    """One dbt command for one tenant.

    `log_path`: the folder of dbt's log; None: the worker's. `account`: the service account that
    dbt uses on BigQuery; empty for the process's own.
    """

    tenant_id: str
    command: tuple[str, ...]
    vars: Mapping[str, str] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    log_path: Path | None = None
    account: str = ""


@dataclass(frozen=True)
class Node:
    """The result of one dbt node. `status` is dbt's: success, pass, warn, fail, error, skipped."""

    unique_id: str
    name: str
    type: str
    status: str
    message: str | None
    failures: int | None
    severity: str
    rows: int | None
    bytes_processed: int | None
    bytes_billed: int | None
    job_id: str | None
    started_at: datetime | None
    completed_at: datetime | None
    compiled_code: str | None = None
    materialized: str = ""

    @property
    def failed(self) -> bool:
        return self.status in ("fail", "error", "runtime error", "partial success")

    @property
    def is_reported(self) -> bool:
        """Whether it appears in messages: it failed or warned."""
        return self.failed or self.status == "warn"


@dataclass(frozen=True)
class Outcome:
    """How a job ended. `error` is its first error, None if it has none.

    `at_work`: what was running when dbt was killed. `failed_expectations`, with those that only
    warned, and `readers_see`, what readers see after a failure, are read from the tenant's data.
    """

    success: bool
    error: str | None
    nodes: tuple[Node, ...] = ()
    at_work: tuple[str, ...] = ()
    failed_expectations: tuple[FailedExpectation, ...] = ()
    expectations_passed: int = 0
    readers_see: str = ""

    @property
    def failed_node(self) -> Node | None:
        return next((node for node in self.nodes if node.failed), None)


@dataclass(frozen=True)
class Event:
    """By `kind`: a node `started` or `finished`; the number of `nodes` is `planned`.

    Or `name` is a text: what is waited for (`waiting`), a `warning`, or a line that only the
    operator's terminal may show (`terminal`).
    """

    kind: str
    unique_id: str = ""
    name: str = ""
    type: str = ""
    status: str = ""
    nodes: int = 0

    @property
    def is_reported(self) -> bool:
        """Whether it is logged: a finished node that is not a passed or skipped test."""
        held = self.type == "test" and self.status in ("pass", "success", "skipped")
        return self.kind == "finished" and not held
