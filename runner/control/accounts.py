"""The service account that reads and writes a tenant's data: a reference, never a secret."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

from runner import names
from runner.control import accounts_sql as sql
from runner.control import runs, runs_sql, tenants
from runner.control.store import Store
from runner.errors import UsageProblem


@dataclass(frozen=True)
class Credentials:
    """A tenant's service account, None for the process's own; when it was set, and by whom."""

    tenant_id: str
    impersonate: str | None
    set_at: datetime | None
    set_by: str | None


def of(store: Store, tenant_id: str) -> Credentials:
    """The tenant's current account. Raises UsageProblem for an unknown tenant."""
    tenants.find(store, tenant_id)
    (row,) = store.read(sql.CREDENTIALS.format(tenant=tenant_id), tenant_id=tenant_id)
    return Credentials(**row)


def put(store: Store, tenant_id: str, account: str, set_by: str) -> Credentials:
    """Read and write the tenant's data as this account, from the next command on.

    Raises UsageProblem for an unknown tenant, an invalid account name, and another tenant's
    account, with which this tenant's runs could read the other tenant's data.
    """
    found = names.SERVICE_ACCOUNT.fullmatch(names.service_account(account))
    assert found
    credentials = _write(store, tenant_id, account, set_by, found["project"])
    if credentials.impersonate != account:
        raise UsageProblem(
            f"{account} is used by another tenant and can read that tenant's data: create an"
            f" account for {tenant_id} only, see dbt_project/docs/bigquery.md."
        )
    return credentials


def clear(store: Store, tenant_id: str, set_by: str) -> Credentials:
    """Go back to the process's own account. Raises UsageProblem for an unknown tenant."""
    return _write(store, tenant_id, "", set_by)


def _write(
    store: Store, tenant_id: str, account: str, set_by: str, project_id: str = ""
) -> Credentials:
    tenants.find(store, tenant_id)
    # The jobs of a run are found, and cancelled, as the account that sent them.
    runs.end_dead_leases(store, tenant_id)
    for row in store.read(runs_sql.ACTIVE_RUNS.format(tenant=tenant_id)):
        if row["status"] == "RUNNING":
            raise UsageProblem(
                f"Run {row['pipeline_logging_id']} of {tenant_id} uses the present account: run"
                " this again when it has ended, or cancel it first."
            )
    statements = (sql.SET_ACCOUNT, sql.END_CREDENTIALS, sql.ADD_CREDENTIALS, sql.CREDENTIALS)
    (row,) = store.write(
        *(statement.format(tenant=tenant_id) for statement in statements),
        tenant_id=tenant_id,
        service_account=account,
        project_id=project_id,
        credential_id=str(uuid.uuid4()),
        created_by=set_by,
        now=datetime.now(UTC),
    )
    return Credentials(**row)
