"""What the tables say of a tenant, as far as they can be read."""

from dataclasses import dataclass, replace

from runner.context import Context
from runner.control import tenants, tenants_sql
from runner.control.store import Store
from runner.control.tenants import PLANS, Export, Plan
from runner.dataset import data_sql
from runner.pipelines import templates
from runner.sql import Row


@dataclass(frozen=True)
class Record:
    """All that somebody can say of a tenant; no exports if they cannot be read any more."""

    admin_email: str
    company_name: str
    plan: Plan
    exports: list[Export]
    pipeline: str = templates.DEFAULT

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


def is_export_known(context: Context, tenant_id: str) -> bool:
    """Whether some table still says which export is the tenant's, so that `repair` may go on."""
    return bool(exports_on_record(context, tenant_id))


def exports_on_record(context: Context, tenant_id: str) -> list[Export]:
    """The tenant's exports from the central table, else from its own copy; empty: neither is whole.

    Whatever tables and columns a damaged warehouse has left.
    """
    wanted = {"tenant_id", "export_ref", "billing_account_ids", "project_ids", "has_unallocated"}
    tables = context.store.columns("tenants") if context.store.exists() else {}
    if tables.get("tenant_exports", set()) >= wanted:
        rows = context.store.read(tenants_sql.EXPORTS, tenant_id=tenant_id)
        if tenants.is_complete(rows):
            return tenants.exports_of_rows(rows)
    if context.dataset.columns(tenant_id).get("x_meta_exports", set()) >= wanted:
        statement = data_sql.OWN_EXPORTS.format(tenant=tenant_id)
        rows = context.dataset.read(tenant_id, statement, tenant_id=tenant_id)
        if tenants.is_complete(rows):
            return tenants.exports_of_rows(rows)
    return []


def profile_of(store: Store, tenant_id: str) -> Row | None:
    """The tenant's profile, with whatever columns are left; None without one."""
    tables = store.columns("tenants") if store.exists() else {}
    return tenants.registered(store).get(tenant_id) if "tenant_profiles" in tables else None


def on_record(context: Context, tenant_id: str) -> Record | None:
    """What the tables say of a tenant, as far as they can be read; None for a newcomer."""
    profile, known = profile_of(context.store, tenant_id), exports_on_record(context, tenant_id)
    if profile is None and not known:
        return None
    profile = profile or {}
    plan_name = profile.get("subscription_plan")
    if "plan_name" in context.store.columns("tenants").get("tenant_subscriptions", ()):
        rows = context.store.read(tenants_sql.PLAN_NAME, tenant_id=tenant_id)
        plan_name = (rows[0]["plan_name"] if rows else None) or plan_name
    name = plan_name or "STARTER"
    # A plan that is none of ours keeps its name and, but for what is null, its limits.
    plan = PLANS.get(name.lower()) or replace(PLANS["starter"], name=name)
    return Record(
        profile.get("admin_email") or "",
        profile.get("company_name") or "",
        plan,
        known,
        profile.get("default_pipeline") or templates.DEFAULT,
    )
