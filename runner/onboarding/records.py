"""A tenant as the caller specifies it, and as the tables have it."""

from dataclasses import dataclass, replace

from runner.context import Context
from runner.control import tenants, tenants_sql
from runner.control.tenants import PLANS, Export, Plan
from runner.dataset import data_sql
from runner.pipelines import templates


@dataclass(frozen=True)
class TenantSpec:
    """A tenant as the caller specifies it. None keeps the tenant's value.

    Accounts and projects are kept unless they are named or `all_accounts` is set.
    """

    tenant_id: str
    admin_email: str
    refs: tuple[str, ...]
    company_name: str | None = None
    plan: Plan | None = None
    accounts: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    with_unallocated: bool | None = None
    all_accounts: bool = False
    is_landing: bool = False


@dataclass(frozen=True)
class Record:
    """What the tables have of a tenant; without exports if these are no longer on record."""

    admin_email: str
    company_name: str
    plan: Plan
    exports: list[Export]
    pipeline: str = templates.DEFAULT

    def as_text(self) -> dict[str, str]:
        """Each field for people to read, by its name."""
        text = {
            "admin email": self.admin_email or "none",
            "company": self.company_name or "none",
            "plan": self.plan.name,
        }
        for one in self.exports[:1]:
            text |= {
                "exports": ", ".join(export.ref for export in self.exports),
                "billing accounts": ", ".join(one.billing_accounts) or "all",
                "projects": ", ".join(one.projects) or "all",
                "charges without a project": "included" if one.has_unallocated else "excluded",
            }
        return text


def exports_on_record(context: Context, tenant_id: str) -> list[Export]:
    """The tenant's exports from the central table, else from its own copy; empty if neither is
    complete. Also reads a damaged warehouse."""
    store, dataset = context.store, context.dataset
    wanted = {"tenant_id", "export_ref", "billing_account_ids", "project_ids", "has_unallocated"}
    found: list[Export] = []
    if store.columns("tenants").get("tenant_exports", set()) >= wanted:
        rows = store.read(tenants_sql.EXPORTS, tenant_id=tenant_id)
        found = tenants.complete_exports(rows)
    if not found and dataset.columns(tenant_id).get("x_meta_exports", set()) >= wanted:
        statement = data_sql.OWN_EXPORTS.format(tenant=tenant_id)
        rows = dataset.read(tenant_id, statement, tenant_id=tenant_id)
        found = tenants.complete_exports(rows)
    return found


def on_record(context: Context, tenant_id: str) -> Record | None:
    """The tenant's record, from the tables that still can be read; None for a new tenant."""
    columns = context.store.columns("tenants")
    registered = tenants.registered(context.store) if "tenant_profiles" in columns else {}
    exports = exports_on_record(context, tenant_id)
    if tenant_id not in registered and not exports:
        return None
    profile = registered.get(tenant_id, {})
    name = profile.get("subscription_plan") or "STARTER"
    if "plan_name" in columns.get("tenant_subscriptions", ()):
        for row in context.store.read(tenants_sql.PLAN_NAME, tenant_id=tenant_id):
            name = row["plan_name"] or name
    # An unknown plan keeps its name and its limits; only a missing limit gets the starter's.
    plan = PLANS.get(name.lower()) or replace(PLANS["starter"], name=name)
    return Record(
        profile.get("admin_email") or "",
        profile.get("company_name") or "",
        plan,
        exports,
        profile.get("default_pipeline") or templates.DEFAULT,
    )
