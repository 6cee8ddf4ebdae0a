"""Tenants: who they are, what they may use and which exports are theirs."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from difflib import get_close_matches

from runner import names
from runner.control import tenants_sql
from runner.control.store import Store
from runner.errors import UnknownTenant, UsageProblem
from runner.pipelines import templates
from runner.sql import Row


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
    pipeline: str = templates.DEFAULT


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


def every(store: Store) -> list[Tenant]:
    """All tenants but the deleted, by id."""
    if not store.exists():
        return []
    return [_tenant(row) for row in store.read(tenants_sql.TENANTS)]


def find(store: Store, tenant_id: str) -> Tenant:
    """The tenant of that id. Raises UnknownTenant, with near matches, when there is none."""
    names.tenant_id(tenant_id)
    tenants = {tenant.id: tenant for tenant in every(store)}
    if tenant_id not in tenants:
        raise unknown_tenant(tenant_id, tenants)
    return tenants[tenant_id]


def known(store: Store, tenant_id: str) -> Known:
    """The tenant of that id and its exports, by one query. Raises UnknownTenant as `find` does."""
    names.tenant_id(tenant_id)
    rows = store.read(tenants_sql.TENANT, tenant_id=tenant_id) if store.exists() else []
    if not rows:
        raise unknown_tenant(tenant_id, [tenant.id for tenant in every(store)])
    return Known(
        tenant_id,
        rows[0]["company_name"] or "",
        rows[0]["admin_email"] or "",
        rows[0]["default_pipeline"] or templates.DEFAULT,
        tuple(export_of_row(row) for row in rows if row["export_ref"]),
        max((at for row in rows if (at := row["exports_updated_at"])), default=None),
    )


def registered(store: Store) -> dict[str, Row]:
    """Profiles by tenant, but the deleted, with whatever columns a damaged table has left."""
    rows = store.read(tenants_sql.REGISTERED)
    return {row["tenant_id"]: row for row in rows if row.get("status") != "DELETED"}


def exports(store: Store, tenant_id: str) -> list[Export]:
    """The tenant's exports, as onboarding named them."""
    return exports_of_rows(store.read(tenants_sql.EXPORTS, tenant_id=tenant_id))


def update(
    store: Store,
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
    found = find(store, tenant_id)
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
    store.write(
        tenants_sql.UPDATE_PROFILE,
        tenants_sql.UPDATE_SUBSCRIPTION,
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


def set_status(store: Store, tenant_id: str, status: str) -> None:
    """Suspend or resume a tenant: ACTIVE or SUSPENDED. A suspended tenant's runs are refused."""
    find(store, tenant_id)
    store.write(tenants_sql.SET_STATUS, tenant_id=tenant_id, status=status, now=datetime.now(UTC))


def landing_of(ref: str) -> str | None:
    """The landing that a tenant reads as its export, `tenant:NAME`; None for an export itself."""
    kind, _, name = ref.partition(":")
    return name if kind == "tenant" else None


def is_complete(rows: list[Row]) -> bool:
    return bool(rows) and not any(value is None for row in rows for value in row.values())


def exports_of_rows(rows: list[Row]) -> list[Export]:
    return [export_of_row(row) for row in rows]


def export_of_row(row: Row) -> Export:
    return Export(
        row["export_ref"],
        tuple(json.loads(row["billing_account_ids"])),
        tuple(json.loads(row["project_ids"])),
        row["has_unallocated"],
    )


def unknown_tenant(tenant_id: str, known: Iterable[str]) -> UnknownTenant:
    near = get_close_matches(tenant_id, list(known), n=3)
    hint = f"did you mean {', '.join(near)}?" if near else "see `runner tenant list`."
    return UnknownTenant(f"There is no tenant '{tenant_id}': {hint}")


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
        pipeline=row["default_pipeline"] or templates.DEFAULT,
    )
