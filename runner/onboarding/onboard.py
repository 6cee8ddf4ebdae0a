"""Add a tenant, or bring one up to date: every step may be run again."""

import json
import shutil
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from runner import names
from runner.context import Context
from runner.control.store import Store
from runner.control.tenants import PLANS, Export, Plan
from runner.dataset.dataset import Dataset
from runner.engine.job import Event, Job, Outcome
from runner.engine.process import Worker
from runner.errors import RunnerError, StatementRefused, UsageProblem
from runner.onboarding import exports, overlaps, records
from runner.onboarding import onboarding_sql as sql
from runner.onboarding.records import Record
from runner.pipelines import templates
from runner.settings import Settings
from runner.sql import Value


def add(
    settings: Settings,
    context: Context,
    tenant_id: str,
    admin_email: str,
    company_name: str | None,
    plan: Plan | None,
    named_exports: list[Export],
    say: Callable[[str], None],
    is_landing: bool = False,
    tell: Callable[[str], None] = lambda text: None,
) -> None:
    """Onboard a tenant, or bring one up to date: every step may be run again.

    A company or plan of None stays as it is; what changes is said. `tell`: what only the operator's
    terminal may show, such as accounts that are others'. Checks the exports before
    anything is written. Raises UsageProblem for what the caller can mend, RunnerError when dbt
    fails.
    """
    before = records.on_record(context, tenant_id)
    pipeline = templates.LANDING if is_landing else templates.DEFAULT
    if before and is_landing and before.pipeline != pipeline:
        raise UsageProblem(f"Tenant {tenant_id} has a bill: a landing must be a tenant of its own.")
    pipeline = before.pipeline if before else pipeline
    if company_name is None:
        company_name = before.company_name if before else ""
    plan = plan or (before.plan if before else PLANS["starter"])
    after = Record(admin_email, company_name, plan, named_exports, pipeline)
    with Worker(settings, settings.log_dir / "tenants" / tenant_id) as worker:
        try:
            exports.check_exports(context, worker, tenant_id, named_exports, pipeline, say)
        except UsageProblem:
            if before is None:
                for folder in (settings.log_dir, settings.dbt_target_dir):
                    shutil.rmtree(folder / "tenants" / tenant_id, ignore_errors=True)
            raise
        old, new = before.words() if before else {}, after.words()
        for name in old:
            if old[name] != new[name]:
                say(f"{name}: {old[name]} -> {new[name]}")
        context.dataset.prepare(tenant_id)
        make_control(settings, context.store, worker, tenant_id, say)
        others = ", ".join(_write_rows(context.store, tenant_id, after))
        if others:
            say(
                f"WARNING: charges of {tenant_id} are billed to {others} as well: if that is"
                " not meant, name what is whose with --billing-account and --project."
            )
        make_dataset(
            settings, context.dataset, worker, tenant_id, named_exports, pipeline, say, tell
        )


def onboard(
    settings: Settings,
    open_it: Callable[[], Warehouse],
    tenant_id: str,
    admin_email: str,
    company_name: str | None,
    plan: Plan | None,
    refs: tuple[str, ...],
    accounts: tuple[str, ...],
    projects: tuple[str, ...],
    with_unallocated: bool | None,
    all_accounts: bool,
    is_landing: bool,
    say: Callable[[str], None],
    tell: Callable[[str], None] = lambda text: None,
) -> list[Export]:
    """`add` from what somebody typed or sent; the exports that the tenant then has.

    Accounts and projects stay as they are unless named, or forgotten with `all_accounts`. The
    warehouse is opened once the words are judged.
    """
    names.tenant_id(tenant_id)
    names.email(admin_email)
    named = exports.named_exports(settings, refs, accounts, projects, bool(with_unallocated))
    context = open_it()
    if not all_accounts:
        named = exports.keep_filters(context, tenant_id, named, with_unallocated)
    add(
        settings,
        context,
        tenant_id,
        admin_email,
        company_name,
        plan,
        named,
        say,
        is_landing,
        tell,
    )
    return named


def make_control(
    settings: Settings,
    store: Store,
    worker: Worker,
    tenant_id: str,
    say: Callable[[str], None],
) -> None:
    """Make or complete the central tables and the tenant's control tables."""
    say("making the control tables")
    if not store.complete(tenant_id):
        _must(worker.run(Job(tenant_id, ("run", "--selector", "control"))), "control tables")


def make_dataset(
    settings: Settings,
    dataset: Dataset,
    worker: Worker,
    tenant_id: str,
    named_exports: list[Export],
    pipeline: str,
    say: Callable[[str], None],
    tell: Callable[[str], None] = lambda text: None,
) -> None:
    """Have dbt make or complete the tenant's dataset and the view over its export."""
    say("making the tenant's dataset")
    job = partial(
        Job,
        tenant_id,
        environ={"WAREHOUSE_DIR": str(settings.warehouse_dir)},
        account=dataset.account_of(tenant_id),
    )
    with dataset.exclusive(tenant_id, once(say)):
        _must(
            worker.run(job(("run", "--selector", "dataset"))),
            "dataset",
        )
        dataset.write(
            tenant_id,
            *export_statements(f"`{tenant_id}`.x_meta_exports", named_exports),
            **export_values(tenant_id, named_exports),
        )
        view = ("run", "--select", "stg_gcp_billing__export")

        def on_event(event: Event) -> None:
            if event.kind == "warning":
                say(f"WARNING: {event.name}")
            elif event.kind == "terminal":
                tell(event.name)

        _must(worker.run(job(view), on_event), "view over the export")
        if pipeline == templates.LANDING:
            # Empty, for the views of those that will read it.
            dataset.prepare_landing(tenant_id)
            made = ("run", "--empty", "--select", "export_landing")
            _must(worker.run(job(made, {"date": "1970-01-01"})), "landing")
        elif not dataset.has_one_writer:
            # Of two first runs at once each would make the tables, the later over the earlier.
            # Not the views: with --empty they would be views over nothing.
            for command in (("seed",), ("run", "--empty")):
                made = (*command, "--selector", "tables")
                _must(worker.run(job(made, {"date": "1970-01-01"})), "tables of the bill")


def once(say: Callable[[str], None]) -> Callable[[str], None]:
    """Says each text the first time only."""
    said: set[str] = set()

    def say_it(text: str) -> None:
        if text not in said:
            said.add(text)
            say(text)

    return say_it


def _write_rows(store: Store, tenant_id: str, record: Record) -> list[str]:
    """The tenant's rows in the control tables, in one transaction; repeating changes nothing.

    Returns the other tenants to which some of its charges are billed as well. Raises UsageProblem,
    and writes nothing, when there are some and the tenant's exports have no filter.
    """
    named, bills = record.exports, record.pipeline != templates.LANDING
    add_locks(store, tenant_id)
    try:
        everyones = store.write(
            sql.ONBOARDING_LOCK,
            sql.ADD_PROFILE,
            sql.SET_PROFILE,
            sql.ADD_SUBSCRIPTION,
            sql.SET_SUBSCRIPTION,
            sql.FILL_SUBSCRIPTION,
            *export_statements("`tenants.tenant_exports`", named),
            *((sql.REFUSE_SHARED,) if bills and not exports.is_filtered(named) else ()),
            sql.ALL_EXPORTS,
            admin_email=record.admin_email,
            company_name=record.company_name,
            default_pipeline=None if record.pipeline == templates.DEFAULT else record.pipeline,
            landing=templates.LANDING,
            **plan_values(record.plan),
            **export_values(tenant_id, named),
        )
    except StatementRefused as error:
        if sql.SHARED_EXPORT not in error.message:
            raise
        raise exports.shared_refusal(
            tenant_id, named, overlaps.also_billed_to(store, tenant_id, named)
        ) from error
    return overlaps.billed_as_well(tenant_id, named, everyones) if bills else []


def add_locks(store: Store, tenant_id: str) -> None:
    """The rows over which transactions conflict; by themselves, before those."""
    store.write(
        sql.ADD_LOCK.format(tenant=tenant_id),
        sql.ADD_ONBOARDING_LOCK,
        tenant_id=tenant_id,
        now=datetime.now(UTC),
    )


def plan_values(plan: Plan) -> dict[str, Value]:
    return {
        "plan": plan.name,
        "subscription_id": str(uuid.uuid4()),
        "daily_limit": plan.daily_limit,
        "monthly_limit": plan.daily_limit * 30,
        "concurrent_limit": plan.concurrent_limit,
        "max_team_members": plan.max_team_members,
        "max_providers": plan.max_providers,
    }


def export_statements(table: str, named: list[Export]) -> list[str]:
    return [
        sql.DROP_EXPORTS.format(table=table),
        *(sql.ADD_EXPORT.format(table=table, n=n) for n in range(len(named))),
    ]


def export_values(tenant_id: str, named: list[Export]) -> dict[str, Value]:
    values: dict[str, Value] = {
        "tenant_id": tenant_id,
        "now": datetime.now(UTC),
        "billing_account_ids": json.dumps(list(named[0].billing_accounts)),
        "project_ids": json.dumps(list(named[0].projects)),
        "has_unallocated": named[0].has_unallocated,
    }
    for n, export in enumerate(named):
        values[f"export_ref_{n}"] = export.ref
        values[f"export_id_{n}"] = export.id
    return values


def _must(outcome: Outcome, what: str) -> None:
    if not outcome.success:
        raise RunnerError(f"Making the {what} failed: {outcome.error}. Run the same command again.")
