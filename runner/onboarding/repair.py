"""Create what a registered tenant lacks."""

from runner import names
from runner.context import Context
from runner.control import tenants
from runner.errors import UsageProblem
from runner.onboarding import records, rows
from runner.onboarding.builder import Builder


def repair(context: Context, tenant_id: str) -> None:
    """Create what a registered tenant lacks: tables, columns, limits, the view over its export.

    As onboarding does, but from the tenant's own rows, which stay; on BigQuery, columns become
    those of the models. Raises UsageProblem for an unknown tenant and when its exports are no
    longer on record, RunnerError when dbt fails.
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
        if not record.exports:  # which charges are the tenant's must not be guessed
            raise UsageProblem(
                f"The export of tenant {tenant_id} is no longer on record: run `runner tenant add"
                f" {tenant_id}` with its --admin-email, --export and --billing-account."
            )
        builder.make_dataset(record.exports, record.pipeline)
