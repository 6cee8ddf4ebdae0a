"""Statements that add a tenant or bring one up to date."""

from runner.control.statements import filled, insert, update
from runner.control.tenants_sql import PLAN_COLUMNS

ADD_PROFILE = insert(
    "`tenants.tenant_profiles`",
    ("tenant_id", "company_name", "admin_email", "default_pipeline"),
    "tenant_id = @tenant_id",
    tenant_dataset_id="@tenant_id",
    status="'ACTIVE'",
    subscription_plan="@plan_name",
    created_at="@now",
    updated_at="@now",
)

SET_PROFILE = """
update `tenants.tenant_profiles`
set company_name = @company_name, admin_email = @admin_email, subscription_plan = @plan_name,
    default_pipeline = @default_pipeline,
    status = case when status = 'DELETED' then 'ACTIVE' else status end, updated_at = @now
where tenant_id = @tenant_id
    and (
        coalesce(company_name, '') <> @company_name or admin_email <> @admin_email
        or subscription_plan <> @plan_name or status = 'DELETED'
        or coalesce(default_pipeline, '') <> coalesce(@default_pipeline, '')
    )
"""

ADD_SUBSCRIPTION = insert(
    "`tenants.tenant_subscriptions`",
    ("subscription_id", "tenant_id"),
    "tenant_id = @tenant_id",
    status="'ACTIVE'",
    created_at="@now",
)

# A new plan sets its limits; with the same plan, limits that were set manually stay.
SET_SUBSCRIPTION = update(
    "`tenants.tenant_subscriptions`",
    PLAN_COLUMNS,
    "tenant_id = @tenant_id and plan_name <> @plan_name",
    updated_at="@now",
)

# Repair fills what is null and changes nothing else.
FILL_PROFILE = """
update `tenants.tenant_profiles`
set status = coalesce(status, 'SUSPENDED'), updated_at = @now,
    subscription_plan = coalesce(subscription_plan, @plan_name)
where tenant_id = @tenant_id and (status is null or subscription_plan is null)
"""

FILL_SUBSCRIPTION = update(
    "`tenants.tenant_subscriptions`",
    (),
    "tenant_id = @tenant_id and (status is null or "
    f"{' or '.join(f'{name} is null' for name in PLAN_COLUMNS)})",
    **filled(PLAN_COLUMNS[:-2]),
    max_pipelines_per_day="coalesce(max_pipelines_per_day, daily_limit, @daily_limit)",
    max_concurrent_pipelines=(
        "coalesce(max_concurrent_pipelines, concurrent_limit, @concurrent_limit)"
    ),
    status="coalesce(status, 'ACTIVE')",
    updated_at="@now",
)

# Cancels the transaction that has written a tenant's exports without a filter, if another tenant
# that is not a landing reads one of them, directly or through a landing without a filter. After
# ONBOARDING_LOCK, so that two such transactions run one after the other.
SHARED_EXPORT = "the export is shared and has no filter"

REFUSE_SHARED = f"""
select case when count(*) > 0 then error('{SHARED_EXPORT}') end as refusal
from `tenants.tenant_exports` as own
left join `tenants.tenant_exports` as own_landing
    on own.export_ref = 'tenant:' || own_landing.tenant_id
    and own_landing.billing_account_ids = '[]' and own_landing.project_ids = '[]'
inner join `tenants.tenant_exports` as others on others.tenant_id <> own.tenant_id
left join `tenants.tenant_exports` as others_landing
    on others.export_ref = 'tenant:' || others_landing.tenant_id
    and others_landing.billing_account_ids = '[]' and others_landing.project_ids = '[]'
left join `tenants.tenant_profiles` as profiles on profiles.tenant_id = others.tenant_id
where own.tenant_id = @tenant_id
    and coalesce(own_landing.export_ref, own.export_ref)
        = coalesce(others_landing.export_ref, others.export_ref)
    and coalesce(profiles.default_pipeline, '') <> @landing
    and coalesce(profiles.status, '') <> 'DELETED'
"""

# Updated first when a tenant is added or repaired, so that two at once conflict: two INSERTs would
# not conflict on BigQuery.
ONBOARDING_LOCK = """
update `tenants.tenant_lock` set locked_by = @tenant_id, locked_at = @now
where lock_name = 'onboarding'
"""


def _add_lock(table: str, name: str, locked_by: str) -> str:
    values = {"lock_name": f"'{name}'", "locked_by": locked_by, "locked_at": "@now"}
    return insert(table, (), f"lock_name = '{name}'", **values)


ADD_ONBOARDING_LOCK = _add_lock("`tenants.tenant_lock`", "onboarding", "@tenant_id")

# Every export of every tenant.
ALL_EXPORTS = """
select
    exports.tenant_id, exports.export_ref, exports.billing_account_ids, exports.project_ids,
    exports.has_unallocated, coalesce(profiles.default_pipeline, '') = @landing as is_landing
from `tenants.tenant_exports` as exports
left join `tenants.tenant_profiles` as profiles on profiles.tenant_id = exports.tenant_id
where coalesce(profiles.status, '') <> 'DELETED'
order by exports.tenant_id, exports.export_ref
"""

# `table`: the central one, or the tenant's own copy.
DROP_EXPORTS = "delete from {table} where tenant_id = @tenant_id"

ADD_EXPORT = insert(
    "{table}",
    ("tenant_id", "billing_account_ids", "project_ids", "has_unallocated"),
    export_id="@export_id_{n}",
    export_ref="@export_ref_{n}",
    created_at="@now",
    updated_at="@now",
)

ADD_LOCK = _add_lock("`{tenant}.x_meta_lock`", "claim", "'tenant add'")
