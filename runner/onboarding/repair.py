"""Make what a registered tenant lacks."""

from runner import names
from runner.context import Context
from runner.control import tenants
from runner.errors import UsageProblem
from runner.onboarding import records, rows
from runner.onboarding.builder import Builder


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
    context.dataset.prepare(tenant_id)
    context.store.require_writable()
    with Builder(context, tenant_id) as builder:
        builder.make_control()
        record = records.on_record(context, tenant_id)
        assert record
        rows.restore(context.store, tenant_id, record)
        if not record.exports:  # the tenant's charges are not to be guessed
            raise UsageProblem(
                f"Which export is tenant {tenant_id}'s cannot be read any more: run `runner tenant"
                f" add {tenant_id}` with its --admin-email, --export and --billing-account."
            )
        builder.make_dataset(record.exports, record.pipeline)
