"""The routes of tenants: quota, costs, service accounts, onboarding."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from fastapi import APIRouter

from runner.api import errors, schemas
from runner.api.bodies import Account, Onboarding, UsageDate
from runner.api.errors import Problem
from runner.api.service import Admin, Call, Reader, TenantId, problems
from runner.context import open_context
from runner.control import accounts, keys, quota, runs_sql
from runner.control import tenants as control_tenants
from runner.dataset import data_sql
from runner.dates import LONGEST_DAYS, DateRange
from runner.onboarding import onboard as onboarding
from runner.onboarding import records
from runner.sql import Row

router = APIRouter(prefix="/api/v1/tenants", tags=["tenants"])

DAYS_SHOWN = 31
CREDENTIALS = "/{tenant_id}/credentials"


@router.get("", response_model=list[schemas.Tenant], responses=problems())
def all_tenants(call: Reader) -> list[control_tenants.Tenant]:
    """The key's tenant; with the admin key, all tenants."""
    every = control_tenants.every(call.store)
    return [tenant for tenant in every if call.principal.may_see(tenant.id)]


@router.get("/{tenant_id}/quota", response_model=schemas.Quota, responses=problems(404, 422))
def quota_of(call: Reader, tenant_id: TenantId) -> quota.Quota:
    """What the tenant has used of its limits, what is left, and when they reset."""
    return quota.of(call.store, tenant_id)


@router.get("/{tenant_id}/costs", response_model=list[schemas.Cost], responses=problems(404, 422))
def costs(
    call: Reader,
    tenant_id: TenantId,
    from_date: UsageDate | None = None,
    to_date: UsageDate | None = None,
) -> list[Row]:
    """Cost by usage date, service and currency; by default of the 31 newest loaded dates."""
    tenant = control_tenants.find(call.store, tenant_id).id
    loaded = runs_sql.LOADED_DATES.format(tenant=tenant)
    last = to_date or call.store.read(loaded)[0]["last_date"]
    if last is None or (from_date and from_date > last):
        return []
    dates = DateRange(from_date or last - timedelta(days=DAYS_SHOWN - 1), last)
    if dates.days > LONGEST_DAYS:
        raise Problem(422, "invalid_request", f"More than {LONGEST_DAYS} dates: request fewer.")
    bounds = {"from_date": dates.first, "to_date": dates.last}
    return call.service.data(tenant, data_sql.COSTS, **bounds)


@router.get(CREDENTIALS, response_model=schemas.Credentials, responses=problems(404, 422))
def account(call: Reader, tenant_id: TenantId) -> accounts.Credentials:
    """The service account that reads and writes the tenant's data."""
    return accounts.of(call.store, tenant_id)


@router.put(CREDENTIALS, response_model=schemas.Credentials, responses=problems(404, 422))
def set_account(call: Admin, tenant_id: TenantId, body: Account) -> accounts.Credentials:
    """Use this service account for the tenant's data, within 30 seconds."""
    return accounts.put(call.store, tenant_id, body.impersonate, call.principal.id)


@router.delete(CREDENTIALS, response_model=schemas.Credentials, responses=problems(404, 422))
def clear_account(call: Admin, tenant_id: TenantId) -> accounts.Credentials:
    """Use the service's own account for the tenant's data, within 30 seconds."""
    return accounts.clear(call.store, tenant_id, call.principal.id)


@router.post(
    "/onboard", status_code=201, responses={**problems(422), 500: {"model": schemas.Error}}
)
def onboard(call: Admin, body: Onboarding) -> schemas.Onboarded:
    """Add or update a tenant, as `runner tenant add` does; it can be repeated.

    Takes some seconds: the export is checked and the tables are made before the response.
    """
    if not call.service.onboarding.acquire(blocking=False):
        raise errors.busy("Another tenant is being added: send it again in 15 seconds.", 15)
    try:
        messages: list[str] = []
        context = replace(open_context(call.service.settings), echo=messages.append)
        onboarding.onboard(context, _spec(body))
        answer = {"tenant_id": body.tenant_id, "status": "ready", "messages": messages}
        return schemas.Onboarded.model_validate({**answer, **_new_key(call, body)})
    finally:
        call.service.onboarding.release()


def _spec(body: Onboarding) -> records.TenantSpec:
    plan = body.subscription_plan
    return records.TenantSpec(
        tenant_id=body.tenant_id,
        admin_email=body.admin_email,
        company_name=body.company_name,
        plan=control_tenants.PLANS[plan.lower()] if plan else None,
        refs=tuple(body.exports),
        accounts=tuple(body.billing_accounts),
        projects=tuple(body.projects),
        with_unallocated=body.with_unallocated,
        all_accounts=body.all_accounts,
        is_landing=body.landing,
    )


def _new_key(call: Call, body: Onboarding) -> dict[str, Any]:
    """A new key of the tenant, if requested, or by default if it has no active key."""
    is_wanted = body.create_key
    if is_wanted is None:
        found = keys.of_tenant(call.store, body.tenant_id)
        is_wanted = not any(key.state == "active" for key in found)
    if not is_wanted:
        return {"api_key": None, "api_key_id": None}
    key, secret = keys.create(
        call.store, body.tenant_id, (), 365, call.principal.id, "created at onboarding"
    )
    return {"api_key": secret, "api_key_id": key.id}
