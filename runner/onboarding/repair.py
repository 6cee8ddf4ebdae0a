"""Make what a registered tenant lacks."""

from datetime import UTC, datetime

from runner import names
from runner.context import Context
from runner.control import tenants, tenants_sql
from runner.control.tenants import PLANS, Export
from runner.errors import UsageProblem
from runner.onboarding import onboarding_sql, records, rows
from runner.onboarding.builder import Builder
from runner.pipelines import templates


def repair(context: Context, tenant_id: str) -> None:
    """Make what a registered tenant lacks: tables, columns, limits, the view over its export.

    As onboarding does, but from the tenant's own rows. Rows stay as they are; on BigQuery columns
    become those of the models. Raises UsageProblem for an unknown tenant and when its exports
    are no longer known, RunnerError when dbt fails.
    """
    names.tenant_id(tenant_id)
    known = tenants.registered(context.store)
    if tenant_id not in known:
        raise tenants.unknown_tenant(tenant_id, known)
    plans = {plan.name: plan for plan in PLANS.values()}
    plan = plans.get(known[tenant_id].get("subscription_plan") or "", PLANS["starter"])
    context.dataset.prepare(tenant_id)
    context.store.must_be_writable()
    with Builder(context, tenant_id) as builder:
        builder.make_control()
        rows.add_locks(context.store, tenant_id)
        context.store.write(
            onboarding_sql.ONBOARDING_LOCK,
            onboarding_sql.FILL_PROFILE,
            onboarding_sql.ADD_SUBSCRIPTION,
            onboarding_sql.FILL_SUBSCRIPTION,
            tenant_id=tenant_id,
            now=datetime.now(UTC),
            **rows.plan_values(plan),
        )
        named = _known_exports(context, tenant_id)
        pipeline = known[tenant_id].get("default_pipeline") or templates.DEFAULT
        builder.make_dataset(named, pipeline)


def _known_exports(context: Context, tenant_id: str) -> list[Export]:
    """The tenant's exports, put back into the central table if only its own copy is whole.

    Raises UsageProblem when neither is: whose charges they are is not to be guessed.
    """
    named = records.exports_on_record(context, tenant_id)
    if not named:
        raise UsageProblem(
            f"Which export is tenant {tenant_id}'s cannot be read any more: run `runner tenant add"
            f" {tenant_id}` with its --admin-email, --export and --billing-account."
        )
    if not tenants.is_complete(context.store.read(tenants_sql.EXPORTS, tenant_id=tenant_id)):
        statements = rows.export_statements("`tenants.tenant_exports`", named)
        context.store.write(*statements, **rows.export_values(tenant_id, named))
    return named
