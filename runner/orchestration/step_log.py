"""The record of a run: its steps, and how it ended."""

import json
import logging
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from runner.context import Context
from runner.control import runs_sql, spool, spooled
from runner.control.queue import requeueing
from runner.control.runs import Run, of_events, run_from_row
from runner.control.store import Store
from runner.engine.job import Event, Node, Outcome
from runner.errors import WarehouseProblem
from runner.orchestration.alerts import Alert, outbox_times
from runner.orchestration.publications import as_text
from runner.orchestration.standing import Publication
from runner.sql import Row, Value

log = logging.getLogger(__name__)

_NODE_STATUS = {
    **dict.fromkeys(("success", "pass", "warn"), "COMPLETED"),
    **dict.fromkeys(("skipped", "no-op"), "SKIPPED"),
}


@dataclass(frozen=True)
class Step:
    """A row of x_meta_step_logs; times are UTC, `row_count` of a test is its failing rows."""

    step_logging_id: str
    step_id: str
    step_name: str
    step_type: str
    step_index: int
    status: str
    start_time: datetime
    end_time: datetime | None = None
    row_count: int | None = None
    error_message: str | None = None
    warnings: str = "[]"
    metadata: str = "{}"

    @property
    def duration_ms(self) -> int | None:
        """None while it is RUNNING; never below 0, though the clock may be set back meanwhile."""
        if self.end_time is None:
            return None
        return max(0, int((self.end_time - self.start_time).total_seconds() * 1000))


class StepLog:
    """The steps of one run in order, kept in memory and written by `flush`.

    A step is opened as RUNNING and closed at its end; it is one row, which is replaced.
    """

    def __init__(self, store: Store, run: Run) -> None:
        self._store = store
        self.run = run
        self._steps: dict[str, Step] = {}
        self._unwritten: set[str] = set()
        self._began = time.monotonic()
        # What the run published, merged by table; None when it cannot be read.
        self.published: tuple[Publication, ...] | None = ()

    @property
    def elapsed_ms(self) -> int:
        """Milliseconds since the claim, by the monotonic clock."""
        return int((time.monotonic() - self._began) * 1000)

    @property
    def at_work(self) -> tuple[str, ...]:
        """The names of the running steps."""
        return tuple(one.step_name for one in self._steps.values() if one.status == "RUNNING")

    @property
    def has_begun_a_model(self) -> bool:
        """Whether dbt has started a model, so that something may be published."""
        return any(step.step_type == "model" for step in self._steps.values())

    def open(self, step_id: str, name: str, kind: str) -> None:
        """Start a step now."""
        place, now = len(self._steps), datetime.now(UTC)
        self._keep(Step(str(uuid.uuid4()), step_id, name, kind, place, "RUNNING", now))

    def close(self, step_id: str, status: str, error: str | None = None) -> None:
        """End a step now."""
        step, now = self._steps[step_id], datetime.now(UTC)
        self._keep(replace(step, status=status, end_time=now, error_message=error))

    def follow(self, event: Event) -> None:
        """Open or close the step of dbt's event; `close_node` adds what only the result has."""
        if event.kind == "started":
            self.open(event.unique_id, event.name, event.type)
        elif event.kind == "finished" and event.unique_id in self._steps:
            self.close(event.unique_id, _NODE_STATUS.get(event.status, "FAILED"))

    def close_node(self, node: Node) -> None:
        """End a dbt node's step with its rows, bytes, timings and message."""
        if node.unique_id not in self._steps:
            self.open(node.unique_id, node.name, node.type)
        step = self._steps[node.unique_id]
        status = _NODE_STATUS.get(node.status, "FAILED")
        published = {one.table: one.rows for one in self.published or ()}
        metadata = {
            "dbt_status": node.status,
            "severity": node.severity or None,
            **{name: getattr(node, name) for name in ("bytes_processed", "bytes_billed", "job_id")},
        }
        began = node.started_at or step.start_time
        step = replace(
            step,
            status=status,
            start_time=began,
            end_time=began if status == "SKIPPED" else node.completed_at or datetime.now(UTC),
            row_count=node.failures if node.type == "test" else published.get(node.name, node.rows),
            error_message=node.message if status == "FAILED" else None,
            warnings=json.dumps([node.message or node.name] if node.status == "warn" else []),
            metadata=json.dumps({key: one for key, one in metadata.items() if one is not None}),
        )
        self._keep(step)

    def close_all(self, outcome: Outcome, status: str) -> None:
        """End the steps of dbt's nodes, and with this status those still RUNNING after a crash."""
        for node in outcome.nodes:
            self.close_node(node)
        for step in list(self._steps.values()):
            if step.status == "RUNNING":
                self.close(step.step_id, status, outcome.error)

    def flush(self) -> str | None:
        """Write the changed steps; returns the run's status, None when nothing was written.

        Steps that cannot be written now are written by the next flush.
        """
        if not self._unwritten:
            return None
        named, values = self.pending()
        statements = spooled.texts(self.run.tenant_id, named)
        status = runs_sql.RUN_STATUS.format(tenant=self.run.tenant_id)
        try:
            rows = self._store.write(*statements, status, **values)
        except WarehouseProblem as error:
            log.warning("steps of run %s cannot be written now: %s", self.run.id, error.message)
            return None
        self._unwritten.clear()
        return str(rows[0]["status"]) if rows else None

    def pending(
        self, *named: spooled.Named, **values: Value
    ) -> tuple[tuple[spooled.Named, ...], dict[str, Value]]:
        """The given statements and those that write the changed steps: one transaction."""
        steps = [self._steps[step_id] for step_id in sorted(self._unwritten)]
        if steps:
            named += (("DROP_STEPS", len(steps)), ("ADD_STEPS", len(steps)))
        for n, step in enumerate(steps):
            row = {**vars(step), "duration_ms": step.duration_ms}
            values |= {f"{column}_{n}": value for column, value in row.items()}
        return named, {"run_id": self.run.id, "user_id": self.run.user_id, **values}

    def _keep(self, step: Step) -> None:
        self._steps[step.step_id] = step
        self._unwritten.add(step.step_id)


@dataclass(frozen=True)
class End:
    """How a run ended, as recorded in its row."""

    status: str
    error: str | None = None
    warnings: tuple[str, ...] = ()
    row_count: int | None = None


def finish(
    context: Context, steps: StepLog, end: End, alerts: Sequence[Alert]
) -> tuple[Run, Row | None]:
    """End the run with its last steps and its alerts, in one transaction.

    Returns the run as recorded; with alerts, also a row of OUTBOX. A run that another command has
    closed meanwhile is not changed. Raises WarehouseProblem when the end could not be written and
    was spooled.
    """
    named, values = steps.pending(
        ("FINISH", 0),
        ("MISSING_EVENTS", 0),
        status=end.status,
        duration_ms=steps.elapsed_ms,
        error_message=end.error,
        warnings=json.dumps(end.warnings),
        row_count=end.row_count,
        publications=as_text(steps.published),
        **of_events(steps.run.tenant_id, datetime.now(UTC)),
        **outbox_times(),
    )
    for alert in alerts:
        values |= alert.values
    # After the steps: a mail's step is the last.
    named += tuple(one for alert in alerts for one in alert.named)
    # Without alerts the outbox is not read: it may be the reason why the first attempt failed.
    named += (("ENDED" if alerts else "RUN", 0),)
    (row,) = _write_or_spool(context, steps.run.tenant_id, named, values)
    return run_from_row(row), row if alerts else None


def keep_publications(store: Store, steps: StepLog) -> None:
    """Record the publications of a run that another command has closed. Raises WarehouseProblem."""
    store.write(
        runs_sql.KEEP_PUBLICATIONS.format(tenant=steps.run.tenant_id),
        run_id=steps.run.id,
        publications=as_text(steps.published),
    )


def requeue(context: Context, run: Run) -> Run:
    """Requeue a run; returns it as recorded, such as cancelled meanwhile.

    When it cannot be written, it is spooled and the run counts as queued.
    """
    named, values = requeueing(run.id, run.worker_instance)
    try:
        return run_from_row(_write_or_spool(context, run.tenant_id, named, values)[0])
    except WarehouseProblem as error:
        log.warning("run %s will be requeued later: %s", run.id, error.message)
        return replace(run, status="PENDING")


def _write_or_spool(
    context: Context, tenant: str, named: tuple[spooled.Named, ...], values: dict[str, Value]
) -> list[Row]:
    """Write now; if that fails, spool it for a later command and raise WarehouseProblem."""
    try:
        return context.store.write(*spooled.texts(tenant, named), **values)
    except WarehouseProblem as error:
        try:
            path = spool.keep(context.settings, tenant, named, values)
            kept = f"The run's record was saved in {path}, and the next command writes it."
        except OSError as full:
            log.error("the record could not be written or saved, and is lost: %s %s", named, values)
            folder = spool.folder(context.settings)
            kept = f"The run's record could not be saved in {folder} either ({full})."
        raise type(error)(f"{error.message} {kept}") from error
