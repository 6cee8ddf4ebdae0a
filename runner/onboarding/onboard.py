"""Add a tenant, or bring one up to date: every step may be run again."""

import shutil
from collections.abc import Callable

from runner import names
from runner.context import Context
from runner.control.tenants import PLANS, Export
from runner.errors import UsageProblem
from runner.onboarding import exports, records, rows
from runner.onboarding.builder import Builder
from runner.onboarding.records import Record, TenantSpec
from runner.pipelines import templates
from runner.settings import Settings


def onboard(
    context: Context, spec: TenantSpec, on_private: Callable[[str], None] = lambda text: None
) -> list[Export]:
    """Onboard a tenant, or bring one up to date; the exports that it then has.

    Checks the exports before anything is written; what changes goes to `context.echo`.
    `on_private`: gets what only the operator's terminal may show, such as others' accounts.
    Raises UsageProblem for what the caller can fix, RunnerError when dbt fails.
    """
    tenant_id, named = spec.tenant_id, validated(context.settings, spec)
    before = records.on_record(context, tenant_id)
    named = exports.keep_filters(spec, named, before)
    after = _after(spec, named, before)
    settings, echo = context.settings, context.echo
    with Builder(context, tenant_id, on_private) as builder:
        try:
            exports.check_exports(context, builder, tenant_id, named, after.pipeline)
        except UsageProblem:
            if before is None:
                for folder in (settings.log_dir, settings.dbt_target_dir):
                    shutil.rmtree(folder / "tenants" / tenant_id, ignore_errors=True)
            raise
        old, new = before.as_text() if before else {}, after.as_text()
        for name in old:
            if old[name] != new[name]:
                echo(f"{name}: {old[name]} -> {new[name]}")
        context.dataset.prepare(tenant_id)
        context.store.require_writable()
        builder.make_control()
        if others := ", ".join(rows.write(context.store, tenant_id, after)):
            echo(
                f"WARNING: charges of {tenant_id} are billed to {others} as well: if that is"
                " not meant, name what is whose with --billing-account and --project."
            )
        builder.make_dataset(named, after.pipeline)
    return named


def validated(settings: Settings, spec: TenantSpec) -> list[Export]:
    """The named exports. Raises UsageProblem for what can be refused without a warehouse."""
    names.tenant_id(spec.tenant_id)
    names.email(spec.admin_email)
    return exports.named_exports(settings, spec)


def _after(spec: TenantSpec, named: list[Export], before: Record | None) -> Record:
    """What is to be on record. Raises UsageProblem when a bill would become a landing."""
    pipeline = templates.LANDING if spec.is_landing else templates.DEFAULT
    if before and spec.is_landing and before.pipeline != pipeline:
        raise UsageProblem(
            f"Tenant {spec.tenant_id} has a bill: a landing must be a tenant of its own."
        )
    old = before or Record("", "", PLANS["starter"], [], pipeline)
    company_name = old.company_name if spec.company_name is None else spec.company_name
    return Record(spec.admin_email, company_name, spec.plan or old.plan, named, old.pipeline)
