"""Recorded runs: `status`, `runs`, `cancel`, `quota` and `query`."""

import re
from dataclasses import replace
from datetime import date

import click
from click import IntRange

from runner import expectations, names
from runner.cli import lists, options, text
from runner.cli.command import Result
from runner.cli.options import flag, opened, value
from runner.control import quota as quotas
from runner.control import runs as control_runs
from runner.control import runs_sql, tenants, turns
from runner.control.store import Store
from runner.errors import UsageProblem
from runner.orchestration import publications
from runner.orchestration.standing import standing_document
from runner.pipelines import templates
from runner.settings import Settings
from runner.sql import Row
from runner.text import to_json


@options.command()
@options.tenant()
@click.argument("run_id")
def status(config: Settings, tenant: str, run_id: str) -> Result:
    """Show one run, its steps, and which runs published its dates last."""
    store = opened(config, tenant).store
    row = _row(store, tenant, run_id)
    run = control_runs.run_from_row(row)
    run = replace(run, waits_for=turns.waiting_for(store, run))
    steps = control_runs.steps_of(store, tenant, run_id)
    recorded, standing = publications.published_dates(store, run)
    document = {
        **row,
        "warnings": run.warnings,
        "waits_for": run.waits_for,
        "publications": expectations.parsed(row["publications"]),
        "published_dates": standing_document(standing),
        "steps": steps,
    }
    unrecorded = publications.unrecorded(recorded)
    return Result(document, lists.run_with_steps(run, steps, standing, unrecorded))


@options.command()
@options.tenant()
@value("--limit", "N", "Maximum number of runs.", type=IntRange(1), default=20, show_default=True)
@value("--status run_status", "S", "Only runs with this status.", str.upper)
@value("--date day", "D", "Only runs with this usage date.", names.day)
@value("--pipeline", "P", "Only runs of this pipeline or template.", default="")
def runs(
    config: Settings,
    tenant: str,
    limit: int,
    run_status: str | None,
    day: date | None,
    pipeline: str,
) -> Result:
    """List a tenant's runs, newest first."""
    if run_status and run_status not in control_runs.STATUSES:
        use = ", ".join(control_runs.STATUSES)
        raise UsageProblem(f"'{run_status}' is not a valid status: use one of {use}.")
    rows = opened(config, tenant).store.read(
        runs_sql.RUNS.format(tenant=tenant),
        status=run_status or "",
        day=day,
        pipeline=pipeline,
        limit=limit,
    )
    notes: tuple[str, ...] = ()
    if pipeline and not rows and pipeline not in (known := templates.names()):
        notes = (f"There is no pipeline '{pipeline}': use one of {', '.join(known)}.",)
    found = [control_runs.run_from_row(row) for row in rows]
    documents = [{**row, "warnings": run.warnings} for row, run in zip(rows, found, strict=True)]
    return Result(documents, lists.run_list(found), notes)


@options.command()
@options.tenant()
@click.argument("run_id")
def cancel(config: Settings, tenant: str, run_id: str) -> Result:
    """Cancel an active run: its status changes at once, its process ends within seconds."""
    store = opened(config, tenant).store
    row = _row(store, tenant, run_id)
    if not control_runs.cancel(store, tenant, run_id, f"cancelled by {options.user_name()}"):
        raise UsageProblem(f"Run {run_id} cannot be cancelled: it ended as {row['status']}.")
    return Result(lambda: _row(store, tenant, run_id), f"Run {run_id} was cancelled.")


@options.command()
@options.tenant()
def quota(config: Settings, tenant: str) -> Result:
    """Show what a tenant has used of its limits, what is left, and when they reset."""
    result = quotas.of(opened(config, tenant).store, tenant)
    return Result(result.document(), lists.quota(result))


@options.command(context_settings={"ignore_unknown_options": True})  # SQL may begin with --
@click.argument("sql")
@options.tenant("The tenant whose tables need no dataset in the SQL.", required=False)
@flag("--json is_json", "One JSON document, an object for each row.")
@flag("--csv is_csv", "Comma-separated values with a header line.")
def query(config: Settings, sql: str, tenant: str | None, is_json: bool, is_csv: bool) -> str:
    """Run one SELECT over bills, runs and quotas.

    Tables have the names of BigQuery, such as acme1281.cost_daily, acme1281.x_meta_pipeline_runs
    or tenants.tenant_usage_quotas, and can be joined. Nothing can be changed. Functions are those
    of the engine: DuckDB's on the local target.
    """
    if is_json and is_csv:
        raise UsageProblem("--json and --csv exclude each other: use one of them.")
    context = opened(config)
    known = list(tenants.registered(context.store)) if context.store.exists() else []
    if tenant is not None:
        tenants.find(context.store, tenant)
    named = [one for one in known if one == tenant or re.search(rf"\b{one}\W", sql, re.I)]
    named.sort(key=lambda one: one != tenant)
    columns, rows = context.dataset.query(sql, named)
    if is_csv:
        return text.as_csv(columns, rows)
    if not is_json:
        return text.query_result(columns, rows)
    if len(set(columns)) < len(columns):
        raise UsageProblem("Two columns have the same name: rename one of them with AS.")
    return to_json([dict(zip(columns, row, strict=True)) for row in rows])


def _row(store: Store, tenant: str, run_id: str) -> Row:
    """The run of that id. Raises UsageProblem when the tenant has none."""
    for row in store.read(runs_sql.RUN.format(tenant=tenant), run_id=run_id):
        return row
    raise UsageProblem(
        f"Tenant {tenant} has no run '{run_id}': see `runner runs --tenant {tenant}`."
    )
