"""Delete a tenant."""

from datetime import UTC, datetime

from runner import names
from runner.context import Context
from runner.control import claim_sql, runs, tenants, tenants_sql
from runner.errors import UsageProblem


def remove(context: Context, tenant_id: str) -> None:
    """Delete a tenant's data, its control tables and its rows in the central tables.

    Its profile, as DELETED, and its usage events stay. An interrupted removal can be repeated.
    Raises UsageProblem while a run is active.
    """
    names.tenant_id(tenant_id)
    known = (
        context.store.read(tenants_sql.PROFILE_STATUS, tenant_id=tenant_id)
        if context.store.exists()
        else []
    )
    values = {"tenant_id": tenant_id, "export_ref": f"tenant:{tenant_id}"}
    if readers := context.store.read(tenants_sql.READERS, **values) if known else []:
        names_of_readers = ", ".join(row["tenant_id"] for row in readers)
        raise UsageProblem(
            f"Tenant {tenant_id} is a landing that is read by {names_of_readers}: first give them"
            " another export with `runner tenant add`."
        )
    if not known or known[0]["status"] != "DELETED":
        tenants.find(context.store, tenant_id)
        runs.end_dead_leases(context.store, tenant_id)
        rows = context.store.write(
            claim_sql.CLAIM_LOCK.format(tenant=tenant_id),
            tenants_sql.DELETE_PROFILE.format(tenant=tenant_id),
            tenants_sql.PROFILE_STATUS,
            tenant_id=tenant_id,
            run_id="tenant remove",
            now=datetime.now(UTC),
        )
        if rows[0]["status"] != "DELETED":
            raise UsageProblem(
                f"Tenant {tenant_id} has an active run: wait until it ends, or cancel it with"
                f" `runner cancel`; see `runner runs --tenant {tenant_id}`."
            )
    context.store.write(*tenants_sql.DELETE_TENANT_ROWS, tenant_id=tenant_id)
    context.store.drop(tenant_id)
    context.dataset.drop(tenant_id)
