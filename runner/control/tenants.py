"""Tenants: profiles, plans and limits, and the exports of each."""

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
    """What a subscription allows: runs a day and at once, people, cloud providers."""

    name: str
    daily_limit: int
    concurrent_limit: int
    max_team_members: int
    max_providers: int

    def columns(self) -> dict[str, str | int | None]:
        """The subscription's columns: see tenants_sql.PLAN_COLUMNS."""
        return {
            "plan_name": self.name,
            "daily_limit": self.daily_limit,
            "monthly_limit": self.daily_limit * 30,
            "concurrent_limit": self.concurrent_limit,
            "max_team_members": self.max_team_members,
            "max_providers": self.max_providers,
            "max_pipelines_per_day": self.daily_limit,
            "max_concurrent_pipelines": self.concurrent_limit,
        }


PLANS = {
    "starter": Plan("STARTER", 6, 3, 2, 3),
    "professional": Plan("PROFESSIONAL", 25, 5, 6, 6),
    "scale": Plan("SCALE", 100, 10, 11, 10),
}


@dataclass(frozen=True)
class Tenant:
    """A tenant's profile and subscription."""

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
    pipeline: str


@dataclass(frozen=True)
class Export:
    """The rows of an export that are a tenant's; an empty tuple means all."""

    ref: str
    billing_accounts: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    has_unallocated: bool = True

    @property
    def id(self) -> str:
        """The export's id in each of its rows, as in macros/export/export_id.sql."""
        return hashlib.md5(self.ref.encode(), usedforsecurity=False).hexdigest()[:8]


@dataclass(frozen=True)
class Known:
    """What a run needs of a tenant; exports as they were named at onboarding."""

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
    """All tenants that are not deleted, by id."""
    if not store.exists():
        return []
    rows = store.read(tenants_sql.TENANTS, default_pipeline=templates.DEFAULT)
    return [Tenant(**row) for row in rows]


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
    """Profiles of tenants that are not deleted, with the columns that the table still has."""
    rows = store.read(tenants_sql.REGISTERED)
    return {row["tenant_id"]: row for row in rows if row.get("status") != "DELETED"}


def exports(store: Store, tenant_id: str) -> list[Export]:
    """The tenant's exports, as onboarding named them."""
    return [export_of_row(row) for row in store.read(tenants_sql.EXPORTS, tenant_id=tenant_id)]


@dataclass(frozen=True)
class Changes:
    """What to change of a tenant; None keeps the value. An end on date.max means no end."""

    admin_email: str | None = None
    company_name: str | None = None
    plan: Plan | None = None
    status: str | None = None
    end_date: date | None = None
    trial_end_date: date | None = None
    daily_limit: int | None = None
    monthly_limit: int | None = None
    concurrent_limit: int | None = None


def update(store: Store, tenant_id: str, changes: Changes) -> None:
    """Change the profile and the subscription. A plan sets its limits, unless they are named.

    `changes.status`: of the subscription. Raises UsageProblem when the tenant has none.
    """
    named = {name: value for name, value in changes.__dict__.items() if value is not None}
    found = find(store, tenant_id)
    if found.subscription_status is None and named.keys() - {"admin_email", "company_name"}:
        raise UsageProblem(
            f"Tenant {tenant_id} has no subscription: run `runner tenant repair {tenant_id}` first."
        )
    plan = changes.plan.columns() if changes.plan else dict.fromkeys(tenants_sql.PLAN_COLUMNS)
    values = {**changes.__dict__, **plan, **named}
    del values["plan"]
    values["max_pipelines_per_day"] = values["daily_limit"]
    values["max_concurrent_pipelines"] = values["concurrent_limit"]
    store.write(
        tenants_sql.UPDATE_PROFILE,
        tenants_sql.UPDATE_SUBSCRIPTION,
        tenant_id=tenant_id,
        now=datetime.now(UTC),
        never_date=date.max,
        **values,
    )


def set_status(store: Store, tenant_id: str, status: str) -> None:
    """Suspend or resume a tenant: ACTIVE or SUSPENDED. A suspended tenant's runs are refused."""
    find(store, tenant_id)
    store.write(tenants_sql.SET_STATUS, tenant_id=tenant_id, status=status, now=datetime.now(UTC))


def landing_of(ref: str) -> str | None:
    """The landing in `tenant:NAME`, which a tenant reads as its export; None for an export."""
    kind, _, name = ref.partition(":")
    return name if kind == "tenant" else None


def complete_exports(rows: Iterable[Row]) -> list[Export]:
    """The exports of these rows; empty when a value is missing: it must not be guessed."""
    rows = list(rows)
    if any(value is None for row in rows for value in row.values()):
        return []
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
