"""The rows that onboarding and repair write: locks, profile, subscription, exports."""

import json
import uuid
from datetime import UTC, datetime

from runner.control import tenants, tenants_sql
from runner.control.store import Store
from runner.control.tenants import Export
from runner.errors import StatementRefused
from runner.onboarding import onboarding_sql as sql
from runner.onboarding import overlaps
from runner.onboarding.records import Record
from runner.pipelines import templates
from runner.sql import Value

_EXPORTS = "`tenants.tenant_exports`"


def write(store: Store, tenant_id: str, record: Record) -> list[str]:
    """Write the tenant's rows in the control tables, in one transaction that can be repeated.

    Returns the other tenants that are billed for some of its charges. Raises UsageProblem, and
    writes nothing, when there are some and the tenant's exports have no filter.
    """
    named, bills = record.exports, record.pipeline != templates.LANDING
    add_locks(store, tenant_id)
    try:
        every_export = store.write(
            sql.ONBOARDING_LOCK,
            sql.ADD_PROFILE,
            sql.SET_PROFILE,
            sql.ADD_SUBSCRIPTION,
            sql.SET_SUBSCRIPTION,
            sql.FILL_SUBSCRIPTION,
            *export_statements(_EXPORTS, named),
            *((sql.REFUSE_SHARED,) if bills and not overlaps.is_filtered(named) else ()),
            sql.ALL_EXPORTS,
            **_values(tenant_id, record),
        )
    except StatementRefused as error:
        if sql.SHARED_EXPORT not in error.message:
            raise
        others = overlaps.also_billed_to(store, tenant_id, named)
        raise overlaps.shared_refusal(tenant_id, named, others) from error
    return overlaps.also_billed_to(store, tenant_id, named, every_export) if bills else []


def restore(store: Store, tenant_id: str, record: Record) -> None:
    """Add the rows and values that the central tables lack; others are not changed."""
    add_locks(store, tenant_id)
    found = store.read(tenants_sql.EXPORTS, tenant_id=tenant_id)
    is_lost = record.exports and not tenants.complete_exports(found)
    store.write(
        sql.ONBOARDING_LOCK,
        sql.FILL_PROFILE,
        sql.ADD_SUBSCRIPTION,
        sql.FILL_SUBSCRIPTION,
        *(export_statements(_EXPORTS, record.exports) if is_lost else ()),
        **_values(tenant_id, record),
    )


def add_locks(store: Store, tenant_id: str) -> None:
    """Add the rows by which transactions conflict, before those begin."""
    statements = (sql.ADD_LOCK.format(tenant=tenant_id), sql.ADD_ONBOARDING_LOCK)
    store.write(*statements, tenant_id=tenant_id, now=datetime.now(UTC))


def export_statements(table: str, named: list[Export]) -> list[str]:
    return [
        sql.DROP_EXPORTS.format(table=table),
        *(sql.ADD_EXPORT.format(table=table, n=n) for n in range(len(named))),
    ]


def export_values(tenant_id: str, named: list[Export]) -> dict[str, Value]:
    values: dict[str, Value] = {"tenant_id": tenant_id, "now": datetime.now(UTC)}
    for n, export in enumerate(named):
        values |= {
            "billing_account_ids": json.dumps(export.billing_accounts),
            "project_ids": json.dumps(export.projects),
            "has_unallocated": export.has_unallocated,
            f"export_ref_{n}": export.ref,
            f"export_id_{n}": export.id,
        }
    return values


def _values(tenant_id: str, record: Record) -> dict[str, Value]:
    return {
        "admin_email": record.admin_email,
        "company_name": record.company_name,
        "default_pipeline": None if record.pipeline == templates.DEFAULT else record.pipeline,
        "landing": templates.LANDING,
        "subscription_id": str(uuid.uuid4()),
        **record.plan.columns(),
        **export_values(tenant_id, record.exports),
    }
