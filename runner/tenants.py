"""Tenants: who they are, what they may use, and how one is added, again and again if need be."""

import hashlib
import json
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from difflib import get_close_matches
from functools import cache, partial
from itertools import combinations, product
from tempfile import TemporaryDirectory

from runner import claim, export_files, pipelines, slugs
from runner import control_sql as sql
from runner.errors import RunnerError, StatementRefused, UsageProblem
from runner.invoke import Event, Job, Outcome, Worker
from runner.settings import Settings
from runner.warehouse import Row, Value, Warehouse


@dataclass(frozen=True)
class Plan:
    """What a subscription allows: runs a day and at once, people, cloud providers.

    Runs a month are 30 times those a day.
    """

    name: str
    daily_limit: int
    concurrent_limit: int
    max_team_members: int
    max_providers: int


PLANS = {
    "starter": Plan("STARTER", 6, 3, 2, 3),
    "professional": Plan("PROFESSIONAL", 25, 5, 6, 6),
    "scale": Plan("SCALE", 100, 10, 11, 10),
}


@dataclass(frozen=True)
class Tenant:
    """A tenant's profile and subscription, as far as the runner needs them."""

    id: str
    company_name: str
    admin_email: str
    status: str
    plan: str
    subscription_status: str | None
    daily_limit: int | None
    monthly_limit: int | None
    concurrent_limit: int | None
    created_at: datetime
    pipeline: str = pipelines.DEFAULT


@dataclass(frozen=True)
class Export:
    """Which rows of which export are a tenant's: empty tuples stand for all."""

    ref: str
    billing_accounts: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    has_unallocated: bool = True

    @property
    def id(self) -> str:
        """What stands for the export in each of its rows, as in macros/export/export_id.sql."""
        return hashlib.md5(self.ref.encode(), usedforsecurity=False).hexdigest()[:8]


@dataclass(frozen=True)
class Known:
    """What a run must know of a tenant; its exports as onboarding named them."""

    id: str
    company_name: str
    admin_email: str
    pipeline: str
    exports: tuple[Export, ...]
    exports_updated_at: datetime | None = None

    @property
    def landings(self) -> tuple[str, ...]:
        """The landings that the tenant reads."""
        return tuple(name for export in self.exports if (name := landing_of(export.ref)))


@dataclass(frozen=True)
class _Record:
    """All that somebody can say of a tenant; no exports if they cannot be read any more."""

    admin_email: str
    company_name: str
    plan: Plan
    exports: list[Export]
    pipeline: str = pipelines.DEFAULT

    def words(self) -> dict[str, str]:
        told = {
            "admin email": self.admin_email or "none",
            "company": self.company_name or "none",
            "plan": self.plan.name,
        }
        if not self.exports:
            return told
        one = self.exports[0]
        return {
            **told,
            "exports": ", ".join(export.ref for export in self.exports),
            "billing accounts": ", ".join(one.billing_accounts) or "all",
            "projects": ", ".join(one.projects) or "all",
            "charges without a project": "included" if one.has_unallocated else "left out",
        }


def every(warehouse: Warehouse) -> list[Tenant]:
    """All tenants but the deleted, by id."""
    if not warehouse.exists():
        return []
    return [_tenant(row) for row in warehouse.read(sql.TENANTS)]


def find(warehouse: Warehouse, tenant_id: str) -> Tenant:
    """The tenant of that id. Raises UsageProblem, with near matches, when there is none."""
    slugs.tenant_id(tenant_id)
    tenants = {tenant.id: tenant for tenant in every(warehouse)}
    if tenant_id not in tenants:
        raise _unknown(tenant_id, tenants)
    return tenants[tenant_id]


def known(warehouse: Warehouse, tenant_id: str) -> Known:
    """The tenant of that id and its exports, by one query. Raises UsageProblem as `find` does."""
    slugs.tenant_id(tenant_id)
    rows = warehouse.read(sql.TENANT, tenant_id=tenant_id) if warehouse.exists() else []
    if not rows:
        raise _unknown(tenant_id, [tenant.id for tenant in every(warehouse)])
    return Known(
        tenant_id,
        rows[0]["company_name"] or "",
        rows[0]["admin_email"] or "",
        rows[0]["default_pipeline"] or pipelines.DEFAULT,
        tuple(_export(row) for row in rows if row["export_ref"]),
        max((at for row in rows if (at := row["exports_updated_at"])), default=None),
    )


def registered(warehouse: Warehouse) -> dict[str, Row]:
    """Profiles by tenant, but the deleted, with whatever columns a damaged table has left."""
    rows = warehouse.read(sql.REGISTERED)
    return {row["tenant_id"]: row for row in rows if row.get("status") != "DELETED"}


def exports(warehouse: Warehouse, tenant_id: str) -> list[Export]:
    """The tenant's exports, as onboarding named them."""
    return _exports(warehouse.read(sql.EXPORTS, tenant_id=tenant_id))


def is_export_known(warehouse: Warehouse, tenant_id: str) -> bool:
    """Whether some table still says which export is the tenant's, so that `repair` may go on."""
    return bool(_exports_on_record(warehouse, tenant_id))


def add(
    settings: Settings,
    warehouse: Warehouse,
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
    before = _on_record(warehouse, tenant_id)
    pipeline = pipelines.LANDING if is_landing else pipelines.DEFAULT
    if before and is_landing and before.pipeline != pipeline:
        raise UsageProblem(f"Tenant {tenant_id} has a bill: a landing must be a tenant of its own.")
    pipeline = before.pipeline if before else pipeline
    if company_name is None:
        company_name = before.company_name if before else ""
    plan = plan or (before.plan if before else PLANS["starter"])
    after = _Record(admin_email, company_name, plan, named_exports, pipeline)
    with Worker(settings, settings.log_dir / "tenants" / tenant_id) as worker:
        try:
            _check_exports(warehouse, worker, tenant_id, named_exports, pipeline, say)
        except UsageProblem:
            if before is None:
                for folder in (settings.log_dir, settings.dbt_target_dir):
                    shutil.rmtree(folder / "tenants" / tenant_id, ignore_errors=True)
            raise
        old, new = before.words() if before else {}, after.words()
        for name in old:
            if old[name] != new[name]:
                say(f"{name}: {old[name]} -> {new[name]}")
        warehouse.prepare(tenant_id)
        _make_control(settings, warehouse, worker, tenant_id, say)
        others = ", ".join(_write_rows(warehouse, tenant_id, after))
        if others:
            say(
                f"WARNING: charges of {tenant_id} are billed to {others} as well: if that is"
                " not meant, name what is whose with --billing-account and --project."
            )
        _make_dataset(settings, warehouse, worker, tenant_id, named_exports, pipeline, say, tell)


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
    slugs.tenant_id(tenant_id)
    slugs.email(admin_email)
    named = named_exports(settings, refs, accounts, projects, bool(with_unallocated))
    warehouse = open_it()
    if not all_accounts:
        named = keep_filters(warehouse, tenant_id, named, with_unallocated)
    add(
        settings,
        warehouse,
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


def repair(
    settings: Settings, warehouse: Warehouse, tenant_id: str, say: Callable[[str], None]
) -> None:
    """Make what a registered tenant lacks: tables, columns, limits, the view over its export.

    As `add` does, but from the tenant's own rows. Rows stay as they are; on BigQuery columns
    become those of the models. Raises UsageProblem for an unknown tenant and when its exports
    are no longer known, RunnerError when dbt fails.
    """
    slugs.tenant_id(tenant_id)
    known = registered(warehouse)
    if tenant_id not in known:
        raise _unknown(tenant_id, known)
    plans = {plan.name: plan for plan in PLANS.values()}
    plan = plans.get(known[tenant_id].get("subscription_plan") or "", PLANS["starter"])
    warehouse.prepare(tenant_id)
    with Worker(settings, settings.log_dir / "tenants" / tenant_id) as worker:
        _make_control(settings, warehouse, worker, tenant_id, say)
        _add_locks(warehouse, tenant_id)
        warehouse.write(
            sql.ONBOARDING_LOCK,
            sql.FILL_PROFILE,
            sql.ADD_SUBSCRIPTION,
            sql.FILL_SUBSCRIPTION,
            tenant_id=tenant_id,
            now=datetime.now(UTC),
            **_plan_values(plan),
        )
        named = _known_exports(warehouse, tenant_id)
        pipeline = known[tenant_id].get("default_pipeline") or pipelines.DEFAULT
        _make_dataset(settings, warehouse, worker, tenant_id, named, pipeline, say)


def update(
    warehouse: Warehouse,
    tenant_id: str,
    *,
    admin_email: str | None = None,
    company_name: str | None = None,
    plan: Plan | None = None,
    subscription_status: str | None = None,
    end_date: date | None = None,
    trial_end_date: date | None = None,
    daily_limit: int | None = None,
    monthly_limit: int | None = None,
    concurrent_limit: int | None = None,
) -> None:
    """Change what is named and leave the rest. A plan brings its limits, unless they are named.

    An end on date.max is none. Raises UsageProblem when there is no subscription to change.
    """
    found = find(warehouse, tenant_id)
    limits = (daily_limit, monthly_limit, concurrent_limit)
    named = (plan, subscription_status, end_date, trial_end_date, *limits)
    if found.subscription_status is None and any(value is not None for value in named):
        raise UsageProblem(
            f"Tenant {tenant_id} has no subscription to change: run"
            f" `runner tenant repair {tenant_id}` first."
        )
    if plan:
        daily_limit = plan.daily_limit if daily_limit is None else daily_limit
        monthly_limit = plan.daily_limit * 30 if monthly_limit is None else monthly_limit
        concurrent_limit = plan.concurrent_limit if concurrent_limit is None else concurrent_limit
    warehouse.write(
        sql.UPDATE_PROFILE,
        sql.UPDATE_SUBSCRIPTION,
        tenant_id=tenant_id,
        now=datetime.now(UTC),
        admin_email=admin_email,
        company_name=company_name,
        plan=plan.name if plan else None,
        subscription_status=subscription_status,
        end_date=end_date,
        trial_end_date=trial_end_date,
        never_date=date.max,
        daily_limit=daily_limit,
        monthly_limit=monthly_limit,
        concurrent_limit=concurrent_limit,
        max_team_members=plan.max_team_members if plan else None,
        max_providers=plan.max_providers if plan else None,
    )


def set_status(warehouse: Warehouse, tenant_id: str, status: str) -> None:
    """Suspend or resume a tenant: ACTIVE or SUSPENDED. A suspended tenant's runs are refused."""
    find(warehouse, tenant_id)
    warehouse.write(sql.SET_STATUS, tenant_id=tenant_id, status=status, now=datetime.now(UTC))


def remove(warehouse: Warehouse, tenant_id: str) -> None:
    """Delete a tenant's data and control tables, and what the central tables say of it.

    Its profile stays, as DELETED, and so do its usage events. Goes on where it was stopped
    half-way. Raises UsageProblem while a run is active.
    """
    slugs.tenant_id(tenant_id)
    known = warehouse.read(sql.PROFILE_STATUS, tenant_id=tenant_id) if warehouse.exists() else []
    values = {"tenant_id": tenant_id, "export_ref": f"tenant:{tenant_id}"}
    if readers := warehouse.read(sql.READERS, **values) if known else []:
        who = ", ".join(row["tenant_id"] for row in readers)
        raise UsageProblem(
            f"Tenant {tenant_id} is the landing that {who} read: give them another export first"
            " with `runner tenant add`."
        )
    if not known or known[0]["status"] != "DELETED":
        find(warehouse, tenant_id)
        claim.end_dead_leases(warehouse, tenant_id)
        told = warehouse.write(
            sql.CLAIM_LOCK.format(tenant=tenant_id),
            sql.DELETE_PROFILE.format(tenant=tenant_id),
            sql.PROFILE_STATUS,
            tenant_id=tenant_id,
            run_id="tenant remove",
            now=datetime.now(UTC),
        )
        if told[0]["status"] != "DELETED":
            raise UsageProblem(
                f"Tenant {tenant_id} has an active run: wait for it, or `runner cancel` it first;"
                f" see `runner runs --tenant {tenant_id}`."
            )
    warehouse.write(*sql.FORGET_TENANT, tenant_id=tenant_id)
    warehouse.drop_control(tenant_id)
    warehouse.drop_data(tenant_id)


def named_exports(
    settings: Settings,
    refs: tuple[str, ...],
    accounts: tuple[str, ...],
    projects: tuple[str, ...],
    with_unallocated: bool,
) -> list[Export]:
    """The exports that somebody named, checked as far as words go. Raises UsageProblem."""
    local = settings.target({"tenant_id": "none"}).type == "duckdb"
    if len(refs) > 1 and any(landing_of(ref) for ref in refs):
        raise UsageProblem("A landing must be a tenant's only export: name no other beside it.")
    if local:
        absolute = (ref if landing_of(ref) else export_files.local_export(ref) for ref in refs)
        refs = tuple(dict.fromkeys(absolute))
    for ref in refs:
        if name := landing_of(ref):
            slugs.tenant_id(name)
        elif not local and not slugs.TABLE.fullmatch(ref):
            raise UsageProblem(f"'{ref}' is no BigQuery table: write project.dataset.table.")
    return [
        Export(
            ref,
            tuple(slugs.billing_account(account) for account in accounts),
            tuple(slugs.project(project) for project in projects),
            not projects or with_unallocated,
        )
        for ref in dict.fromkeys(refs)
    ]


def keep_filters(
    warehouse: Warehouse, tenant_id: str, named: list[Export], with_unallocated: bool | None
) -> list[Export]:
    """The named exports with the accounts and projects that the tenant has, unless named anew.

    Raises UsageProblem when nobody knows any more which they were: all is not to be guessed.
    """
    new, known = named[0], _exports_on_record(warehouse, tenant_id)
    if not known:
        if _profile(warehouse, tenant_id) and not new.billing_accounts and not new.projects:
            raise UsageProblem(
                f"Which accounts are tenant {tenant_id}'s cannot be read any more: name them with"
                " --billing-account (and --project), or say --all-accounts."
            )
        return named
    old = known[0]
    projects = new.projects or old.projects
    if with_unallocated is None and old.projects:
        with_unallocated = old.has_unallocated
    return [
        Export(
            export.ref,
            new.billing_accounts or old.billing_accounts,
            projects,
            not projects or bool(with_unallocated),
        )
        for export in named
    ]


def landing_of(ref: str) -> str | None:
    """The landing that a tenant reads as its export, `tenant:NAME`; None for an export itself."""
    kind, _, name = ref.partition(":")
    return name if kind == "tenant" else None


def check_command(named: list[Export]) -> tuple[str, ...]:
    """The dbt command that opens these exports and fails with what is wrong with them."""
    one = named[0]
    args = {
        "refs": [export.ref for export in named],
        "accounts": one.billing_accounts,
        "projects": one.projects,
        "has_unallocated": one.has_unallocated,
    }
    return ("run-operation", "check_exports", "--args", json.dumps(args))


def _check_exports(
    warehouse: Warehouse,
    worker: Worker,
    tenant_id: str,
    named: list[Export],
    pipeline: str,
    say: Callable[[str], None],
) -> None:
    """Raises UsageProblem when the exports cannot be read, or are another tenant's as well."""
    say("checking the export")
    name = landing_of(named[0].ref)
    if name is not None:
        if find(warehouse, name).pipeline != pipelines.LANDING or pipeline == pipelines.LANDING:
            raise UsageProblem(
                f"Tenant {name} is no landing that {tenant_id} could read: add one with `runner"
                " tenant add ID --landing`, and name its id."
            )
    else:
        _open_exports(warehouse, worker, tenant_id, named)
    if pipeline == pipelines.LANDING:
        return
    # For an early answer; `_write_rows` looks again, as others may be added meanwhile.
    others = also_billed_to(warehouse, tenant_id, named)
    if others and not _is_filtered(named):
        raise _shared(tenant_id, named, others)


def _is_filtered(named: list[Export]) -> bool:
    return bool(named[0].billing_accounts or named[0].projects)


def _shared(tenant_id: str, named: list[Export], others: list[str]) -> UsageProblem:
    return UsageProblem(
        f"The export {named[0].ref} is shared with tenant {', '.join(others)}: name what is"
        f" {tenant_id}'s with --billing-account (and --project)."
    )


def _open_exports(
    warehouse: Warehouse, worker: Worker, tenant_id: str, named: list[Export]
) -> None:
    """Raises UsageProblem with what is wrong with the exports."""
    for ref in dict.fromkeys(export.ref for export in named):
        warehouse.look_at_export(tenant_id, ref)
    with TemporaryDirectory() as scratch:
        checked = worker.run(
            Job(
                tenant_id,
                check_command(named),
                # Checked in a warehouse of its own: a refused tenant leaves nothing behind.
                environ={"WAREHOUSE_DIR": scratch},
                account=warehouse.account_of(tenant_id),
            )
        )
    if not checked.success:
        raise UsageProblem(
            f"Tenant {tenant_id} was not added: its export cannot be used. {checked.error}"
        )


def _make_control(
    settings: Settings,
    warehouse: Warehouse,
    worker: Worker,
    tenant_id: str,
    say: Callable[[str], None],
) -> None:
    """Make or complete the central tables and the tenant's control tables."""
    say("making the control tables")
    if not warehouse.complete_control(tenant_id):
        _must(worker.run(Job(tenant_id, ("run", "--selector", "control"))), "control tables")


def _make_dataset(
    settings: Settings,
    warehouse: Warehouse,
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
        account=warehouse.account_of(tenant_id),
    )
    with warehouse.alone_with(tenant_id, once(say)):
        _must(
            worker.run(job(("run", "--selector", "dataset"))),
            "dataset",
        )
        warehouse.write_data(
            tenant_id,
            *_export_statements(f"`{tenant_id}`.x_meta_exports", named_exports),
            **_export_values(tenant_id, named_exports),
        )
        view = ("run", "--select", "stg_gcp_billing__export")

        def on_event(event: Event) -> None:
            if event.kind == "warning":
                say(f"WARNING: {event.name}")
            elif event.kind == "terminal":
                tell(event.name)

        _must(worker.run(job(view), on_event), "view over the export")
        if pipeline == pipelines.LANDING:
            # Empty, for the views of those that will read it.
            warehouse.prepare_landing(tenant_id)
            made = ("run", "--empty", "--select", "export_landing")
            _must(worker.run(job(made, {"date": "1970-01-01"})), "landing")
        elif not warehouse.has_one_writer:
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


def _write_rows(warehouse: Warehouse, tenant_id: str, record: _Record) -> list[str]:
    """The tenant's rows in the control tables, in one transaction; repeating changes nothing.

    Returns the other tenants to which some of its charges are billed as well. Raises UsageProblem,
    and writes nothing, when there are some and the tenant's exports have no filter.
    """
    named, bills = record.exports, record.pipeline != pipelines.LANDING
    _add_locks(warehouse, tenant_id)
    try:
        everyones = warehouse.write(
            sql.ONBOARDING_LOCK,
            sql.ADD_PROFILE,
            sql.SET_PROFILE,
            sql.ADD_SUBSCRIPTION,
            sql.SET_SUBSCRIPTION,
            sql.FILL_SUBSCRIPTION,
            *_export_statements("`tenants.tenant_exports`", named),
            *((sql.REFUSE_SHARED,) if bills and not _is_filtered(named) else ()),
            sql.ALL_EXPORTS,
            admin_email=record.admin_email,
            company_name=record.company_name,
            default_pipeline=None if record.pipeline == pipelines.DEFAULT else record.pipeline,
            landing=pipelines.LANDING,
            **_plan_values(record.plan),
            **_export_values(tenant_id, named),
        )
    except StatementRefused as error:
        if sql.SHARED_EXPORT not in error.message:
            raise
        raise _shared(tenant_id, named, also_billed_to(warehouse, tenant_id, named)) from error
    return _billed_as_well(tenant_id, named, everyones) if bills else []


def _add_locks(warehouse: Warehouse, tenant_id: str) -> None:
    """The rows over which transactions conflict; by themselves, before those."""
    warehouse.write(
        sql.ADD_LOCK.format(tenant=tenant_id),
        sql.ADD_ONBOARDING_LOCK,
        tenant_id=tenant_id,
        now=datetime.now(UTC),
    )


def _plan_values(plan: Plan) -> dict[str, Value]:
    return {
        "plan": plan.name,
        "subscription_id": str(uuid.uuid4()),
        "daily_limit": plan.daily_limit,
        "monthly_limit": plan.daily_limit * 30,
        "concurrent_limit": plan.concurrent_limit,
        "max_team_members": plan.max_team_members,
        "max_providers": plan.max_providers,
    }


def _known_exports(warehouse: Warehouse, tenant_id: str) -> list[Export]:
    """The tenant's exports, put back into the central table if only its own copy is whole.

    Raises UsageProblem when neither is: whose charges they are is not to be guessed.
    """
    named = _exports_on_record(warehouse, tenant_id)
    if not named:
        raise UsageProblem(
            f"Which export is tenant {tenant_id}'s cannot be read any more: run `runner tenant add"
            f" {tenant_id}` with its --admin-email, --export and --billing-account."
        )
    if not _whole(warehouse.read(sql.EXPORTS, tenant_id=tenant_id)):
        statements = _export_statements("`tenants.tenant_exports`", named)
        warehouse.write(*statements, **_export_values(tenant_id, named))
    return named


def _exports_on_record(warehouse: Warehouse, tenant_id: str) -> list[Export]:
    """The tenant's exports from the central table, else from its own copy; empty: neither is whole.

    Whatever tables and columns a damaged warehouse has left.
    """
    wanted = {"tenant_id", "export_ref", "billing_account_ids", "project_ids", "has_unallocated"}
    tables = warehouse.columns("tenants") if warehouse.exists() else {}
    if tables.get("tenant_exports", set()) >= wanted:
        rows = warehouse.read(sql.EXPORTS, tenant_id=tenant_id)
        if _whole(rows):
            return _exports(rows)
    if warehouse.columns(tenant_id, data=True).get("x_meta_exports", set()) >= wanted:
        statement = sql.OWN_EXPORTS.format(tenant=tenant_id)
        rows = warehouse.read_data(tenant_id, statement, tenant_id=tenant_id)
        if _whole(rows):
            return _exports(rows)
    return []


def _profile(warehouse: Warehouse, tenant_id: str) -> Row | None:
    """The tenant's profile, with whatever columns are left; None without one."""
    tables = warehouse.columns("tenants") if warehouse.exists() else {}
    return registered(warehouse).get(tenant_id) if "tenant_profiles" in tables else None


def _on_record(warehouse: Warehouse, tenant_id: str) -> _Record | None:
    """What the tables say of a tenant, as far as they can be read; None for a newcomer."""
    profile, known = _profile(warehouse, tenant_id), _exports_on_record(warehouse, tenant_id)
    if profile is None and not known:
        return None
    profile = profile or {}
    plan_name = profile.get("subscription_plan")
    if "plan_name" in warehouse.columns("tenants").get("tenant_subscriptions", ()):
        rows = warehouse.read(sql.PLAN_NAME, tenant_id=tenant_id)
        plan_name = (rows[0]["plan_name"] if rows else None) or plan_name
    name = plan_name or "STARTER"
    # A plan that is none of ours keeps its name and, but for what is null, its limits.
    plan = PLANS.get(name.lower()) or replace(PLANS["starter"], name=name)
    return _Record(
        profile.get("admin_email") or "",
        profile.get("company_name") or "",
        plan,
        known,
        profile.get("default_pipeline") or pipelines.DEFAULT,
    )


def _whole(rows: list[Row]) -> bool:
    return bool(rows) and not any(value is None for row in rows for value in row.values())


def _exports(rows: list[Row]) -> list[Export]:
    return [_export(row) for row in rows]


def _export(row: Row) -> Export:
    return Export(
        row["export_ref"],
        tuple(json.loads(row["billing_account_ids"])),
        tuple(json.loads(row["project_ids"])),
        row["has_unallocated"],
    )


def _unknown(tenant_id: str, known: Iterable[str]) -> UsageProblem:
    near = get_close_matches(tenant_id, list(known), n=3)
    hint = f"did you mean {', '.join(near)}?" if near else "see `runner tenant list`."
    return UsageProblem(f"There is no tenant '{tenant_id}': {hint}")


def _export_statements(table: str, named: list[Export]) -> list[str]:
    return [
        sql.DROP_EXPORTS.format(table=table),
        *(sql.ADD_EXPORT.format(table=table, n=n) for n in range(len(named))),
    ]


def _export_values(tenant_id: str, named: list[Export]) -> dict[str, Value]:
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


def also_billed_to(warehouse: Warehouse, tenant_id: str, named: list[Export]) -> list[str]:
    """The other tenants to which some charge of these exports is billed as well.

    A parent company may want that; anybody else forgot a filter, and must be told.
    """
    everyones = _everyones_exports(warehouse) if warehouse.exists() else []
    return _billed_as_well(tenant_id, named, everyones)


def _billed_as_well(tenant_id: str, named: list[Export], everyones: list[Row]) -> list[str]:
    """The other tenants that share a charge with a tenant that has these exports."""
    landings = _landings(everyones)
    mine = _bills([(tenant_id, export) for export in named], landings)
    others = [bill for bill in _bills(_billed(everyones), landings) if bill.tenant_id != tenant_id]
    return sorted({other.tenant_id for _, other in _shared_bills(product(mine, others))})


def overlaps(warehouse: Warehouse) -> list[tuple[str, str, str]]:
    """The pairs of tenants that are billed for the same charges, and an export of the first."""
    everyones = _everyones_exports(warehouse)
    pairs = combinations(_bills(_billed(everyones), _landings(everyones)), 2)
    found: dict[tuple[str, str], str] = {}
    for one, other in _shared_bills(pairs):
        found.setdefault((one.tenant_id, other.tenant_id), one.ref)
    return [(*both, ref) for both, ref in found.items()]


def _everyones_exports(warehouse: Warehouse) -> list[Row]:
    if warehouse.columns("tenants").get("tenant_profiles", set()) >= {"default_pipeline", "status"}:
        return warehouse.read(sql.ALL_EXPORTS, landing=pipelines.LANDING)
    return warehouse.read(sql.ALL_EXPORTS_ALONE)


@dataclass(frozen=True)
class _Bill:
    """That a tenant is billed for the rows of a file or table which both filters let through."""

    tenant_id: str
    ref: str
    filters: tuple[Export, Export]

    @property
    def source(self) -> str:
        return self.filters[0].ref


def _landings(everyones: list[Row]) -> dict[str, list[Export]]:
    found: dict[str, list[Export]] = {}
    for row in everyones:
        if row["is_landing"] and _whole([row]):
            found.setdefault(row["tenant_id"], []).append(_export(row))
    return found


def _billed(everyones: list[Row]) -> list[tuple[str, Export]]:
    """Every export that somebody is billed for: a landing bills nobody."""
    billed = [row for row in everyones if _whole([row]) and not row["is_landing"]]
    return [(row["tenant_id"], _export(row)) for row in billed]


def _bills(exports: list[tuple[str, Export]], landings: dict[str, list[Export]]) -> list[_Bill]:
    """From what each is read in the end: of a landing, from the landing's own exports."""
    found = []
    for tenant_id, export in exports:
        landed = landings.get(landing_of(export.ref) or "", [])
        filters = [(one, export) for one in landed] or [(export, export)]
        found += [_Bill(tenant_id, export.ref, both) for both in filters]
    return found


def _shared_bills(pairs: Iterable[tuple[_Bill, _Bill]]) -> Iterator[tuple[_Bill, _Bill]]:
    """The pairs of two tenants that share a charge; a pattern or a link stands for its files."""
    files = cache(export_files.real_files)

    @cache
    def meet(one: str, other: str) -> bool:
        is_local = one.startswith("/") and other.startswith("/")
        return one == other or (is_local and not files(one).isdisjoint(files(other)))

    for one, other in pairs:
        if one.tenant_id == other.tenant_id or not meet(one.source, other.source):
            continue
        if all(_share_a_charge(a, b) for a, b in product(one.filters, other.filters)):
            yield one, other


def _share_a_charge(one: Export, other: Export) -> bool:
    """Whether a row of the export could be both tenants'; an empty filter takes all."""

    def meet(these: tuple[str, ...], those: tuple[str, ...]) -> bool:
        return not these or not those or bool(set(these) & set(those))

    if not meet(one.billing_accounts, other.billing_accounts):
        return False
    if one.has_unallocated and other.has_unallocated:
        return True
    return meet(one.projects, other.projects)


def _must(outcome: Outcome, what: str) -> None:
    if not outcome.success:
        raise RunnerError(f"Making the {what} failed: {outcome.error}. Run the same command again.")


def _tenant(row: Row) -> Tenant:
    return Tenant(
        id=row["tenant_id"],
        company_name=row["company_name"] or "",
        admin_email=row["admin_email"],
        status=row["status"],
        plan=row["subscription_plan"],
        subscription_status=row["subscription_status"],
        daily_limit=row["daily_limit"],
        monthly_limit=row["monthly_limit"],
        concurrent_limit=row["concurrent_limit"],
        created_at=row["created_at"],
        pipeline=row["default_pipeline"] or pipelines.DEFAULT,
    )
