"""Which service account a tenant's data is read and written as: a reference, never a secret."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

from runner import names
from runner.control import accounts_sql as sql
from runner.control import tenants
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
    """The account that is set. Raises UsageProblem for an unknown tenant."""
    tenants.find(store, tenant_id)
    (row,) = store.read(sql.CREDENTIALS.format(tenant=tenant_id), tenant_id=tenant_id)
    return Credentials(**row)


def put(store: Store, tenant_id: str, account: str, set_by: str) -> Credentials:
    """Have the tenant's data read and written as the account, from the next command on.

    Raises UsageProblem for an unknown tenant, for what is no service account, and for another
    tenant's account: it would open that one's data to this one's runs.
    """
    found = names.SERVICE_ACCOUNT.fullmatch(names.service_account(account))
    assert found
    credentials = _write(store, tenant_id, account, set_by, found["project"])
    if credentials.impersonate != account:
        raise UsageProblem(
            f"{account} is the account of another tenant, whose data it opens: make one for"
            f" {tenant_id} alone, see docs/bigquery.md."
        )
    return credentials


def clear(store: Store, tenant_id: str, set_by: str) -> Credentials:
    """Go back to the process's own account. Raises UsageProblem for an unknown tenant."""
    return _write(store, tenant_id, "", set_by)


def _write(
    store: Store, tenant_id: str, account: str, set_by: str, project_id: str = ""
) -> Credentials:
    tenants.find(store, tenant_id)
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
