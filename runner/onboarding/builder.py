"""The dbt jobs of onboarding and repair, in one dbt process."""

from collections.abc import Callable
from functools import cache
from typing import Self

from runner.context import Context
from runner.control.tenants import Export
from runner.engine.job import Event, Job, Outcome
from runner.engine.process import Worker
from runner.errors import RunnerError
from runner.onboarding import rows
from runner.pipelines import templates


class Builder:
    """One tenant's dbt process, with its log in logs/tenants. Used as a context manager."""

    def __init__(
        self,
        context: Context,
        tenant_id: str,
        on_private: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._context = context
        self._tenant_id = tenant_id
        self._on_private = on_private
        self._worker = Worker(context.settings, context.settings.log_dir / "tenants" / tenant_id)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._worker.stop()

    def run(self, *command: str, warehouse: str | None = None, date: str = "") -> Outcome:
        """Run one dbt command for the tenant; `warehouse`: instead of the target's folder."""
        folder = warehouse or str(self._context.settings.warehouse_dir)
        job = Job(
            self._tenant_id,
            command,
            {"date": date} if date else {},
            environ={"WAREHOUSE_DIR": folder},
            account=self._context.dataset.account_of(self._tenant_id),
        )
        return self._worker.run(job, self._on_event)

    def make_control(self) -> None:
        """Create what is missing of the central tables and the tenant's control tables."""
        self._context.echo("making the control tables")
        if not self._context.store.complete(self._tenant_id):
            # As the process's own account: the tenant's must not write the central tables.
            job = Job(self._tenant_id, ("run", "--selector", "control"))
            _require(self._worker.run(job), "control tables")

    def make_dataset(self, named: list[Export], pipeline: str) -> None:
        """Create what is missing of the tenant's dataset and the view over its export."""
        dataset, tenant_id = self._context.dataset, self._tenant_id
        self._context.echo("making the tenant's dataset")
        # The cache prints each message once.
        with dataset.exclusive(tenant_id, cache(self._context.echo)):
            _require(self.run("run", "--selector", "dataset"), "dataset")
            dataset.write(
                tenant_id,
                *rows.export_statements(f"`{tenant_id}`.x_meta_exports", named),
                **rows.export_values(tenant_id, named),
            )
            view = self.run("run", "--select", "stg_gcp_billing__export")
            _require(view, "view over the export")
            if pipeline == templates.LANDING:
                # Empty, so that the views of the tenants that read it can be made.
                dataset.prepare_landing(tenant_id)
                self._make_empty("landing", "run", "--empty", "--select", "export_landing")
            elif not dataset.single_writer:
                # Else two first runs at once would both make the tables, and the later one would
                # replace the rows of the other. Without the views: with --empty they would have no
                # rows.
                self._make_empty("tables of the bill", "seed", "--selector", "tables")
                self._make_empty("tables of the bill", "run", "--empty", "--selector", "tables")

    def _make_empty(self, what: str, *command: str) -> None:
        _require(self.run(*command, date="1970-01-01"), what)

    def _on_event(self, event: Event) -> None:
        if event.kind == "warning":
            self._context.echo(f"WARNING: {event.name}")
        elif event.kind == "terminal":
            self._on_private(event.name)


def _require(outcome: Outcome, what: str) -> None:
    if not outcome.success:
        raise RunnerError(f"The {what} could not be made: {outcome.error}. Run it again.")
