"""Add a tenant, or bring one up to date; it can be repeated after an error."""

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
    """Onboard a tenant, or bring one up to date; returns its exports.

    The exports are checked before anything is written; changes are reported to `context.echo`,
    and what only the operator's terminal may show, such as other accounts, to `on_private`.
    Raises UsageProblem for invalid values and exports, RunnerError when dbt fails.
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
                f"WARNING: some charges of {tenant_id} are also billed to {others}. To avoid this,"
                " limit each tenant with --billing-account and --project."
            )
        builder.make_dataset(named, after.pipeline)
    return named


def validated(settings: Settings, spec: TenantSpec) -> list[Export]:
    """The named exports. Raises UsageProblem; needs no warehouse."""
    names.tenant_id(spec.tenant_id)
    names.email(spec.admin_email)
    return exports.named_exports(settings, spec)


def _after(spec: TenantSpec, named: list[Export], before: Record | None) -> Record:
    """The new record. Raises UsageProblem when a tenant with a bill would become a landing."""
    pipeline = templates.LANDING if spec.is_landing else templates.DEFAULT
    if before and spec.is_landing and before.pipeline != pipeline:
        raise UsageProblem(
            f"Tenant {spec.tenant_id} has a bill and cannot become a landing: choose another id."
        )
    old = before or Record("", "", PLANS["starter"], [], pipeline)
    company_name = old.company_name if spec.company_name is None else spec.company_name
    return Record(spec.admin_email, company_name, spec.plan or old.plan, named, old.pipeline)
