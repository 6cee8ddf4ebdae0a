"""The rows that onboarding writes: profile, subscription, exports."""

import json
import uuid
from datetime import UTC, datetime

from runner.control.store import Store
from runner.control.tenants import Export, Plan
from runner.errors import StatementRefused
from runner.onboarding import onboarding_sql as sql
from runner.onboarding import overlaps
from runner.onboarding.records import Record
from runner.pipelines import templates
from runner.sql import Value


def write(store: Store, tenant_id: str, record: Record) -> list[str]:
    """The tenant's rows in the control tables, in one transaction; repeating changes nothing.

    Returns the other tenants to which some of its charges are billed as well. Raises UsageProblem,
    and writes nothing, when there are some and the tenant's exports have no filter.
    """
    named, bills = record.exports, record.pipeline != templates.LANDING
    add_locks(store, tenant_id)
    try:
        everyones = store.write(
            sql.ONBOARDING_LOCK,
            sql.ADD_PROFILE,
            sql.SET_PROFILE,
            sql.ADD_SUBSCRIPTION,
            sql.SET_SUBSCRIPTION,
            sql.FILL_SUBSCRIPTION,
            *export_statements("`tenants.tenant_exports`", named),
            *((sql.REFUSE_SHARED,) if bills and not overlaps.is_filtered(named) else ()),
            sql.ALL_EXPORTS,
            admin_email=record.admin_email,
            company_name=record.company_name,
            default_pipeline=None if record.pipeline == templates.DEFAULT else record.pipeline,
            landing=templates.LANDING,
            **plan_values(record.plan),
            **export_values(tenant_id, named),
        )
    except StatementRefused as error:
        if sql.SHARED_EXPORT not in error.message:
            raise
        raise overlaps.shared_refusal(
            tenant_id, named, overlaps.also_billed_to(store, tenant_id, named)
        ) from error
    return overlaps.billed_as_well(tenant_id, named, everyones) if bills else []


def add_locks(store: Store, tenant_id: str) -> None:
    """The rows over which transactions conflict; by themselves, before those."""
    store.write(
        sql.ADD_LOCK.format(tenant=tenant_id),
        sql.ADD_ONBOARDING_LOCK,
        tenant_id=tenant_id,
        now=datetime.now(UTC),
    )


def plan_values(plan: Plan) -> dict[str, Value]:
    return {
        "plan": plan.name,
        "subscription_id": str(uuid.uuid4()),
        "daily_limit": plan.daily_limit,
        "monthly_limit": plan.daily_limit * 30,
        "concurrent_limit": plan.concurrent_limit,
        "max_team_members": plan.max_team_members,
        "max_providers": plan.max_providers,
    }


def export_statements(table: str, named: list[Export]) -> list[str]:
    return [
        sql.DROP_EXPORTS.format(table=table),
        *(sql.ADD_EXPORT.format(table=table, n=n) for n in range(len(named))),
    ]


def export_values(tenant_id: str, named: list[Export]) -> dict[str, Value]:
    values: dict[str, Value] = {
        "tenant_id": tenant_id,
        "now": datetime.now(UTC),
        "billing_account_ids": json.dumps(list(named[0].billing_accounts)),
        "project_ids": json.dumps(list(named[0].projects)),
        "has_unallocated": named[0].has_unallocated,
    }
    for n, export in enumerate(named):
        values[f"export_ref_{n}"] = export.ref
        values[f"export_id_{n}"] = export.id
    return values
