"""Statements over the tenants' profiles, subscriptions and exports."""

from runner.control.statements import changed, update

# The columns of a subscription that a plan sets.
PLAN_COLUMNS = (
    *("plan_name", "daily_limit", "monthly_limit", "concurrent_limit", "max_team_members"),
    *("max_providers", "max_pipelines_per_day", "max_concurrent_pipelines"),
)

TENANTS = """
select
    profiles.tenant_id as id, coalesce(profiles.company_name, '') as company_name,
    profiles.admin_email, profiles.status, profiles.subscription_plan as plan,
    subscriptions.status as subscription_status, subscriptions.daily_limit,
    subscriptions.monthly_limit, subscriptions.concurrent_limit, profiles.created_at,
    coalesce(profiles.default_pipeline, @default_pipeline) as pipeline
from `tenants.tenant_profiles` as profiles
left join `tenants.tenant_subscriptions` as subscriptions
    on profiles.tenant_id = subscriptions.tenant_id
where profiles.status <> 'DELETED'
order by profiles.tenant_id
"""

# What a run needs of one tenant, a row for each of its exports.
TENANT = """
select
    profiles.company_name, profiles.admin_email, profiles.default_pipeline,
    exports.export_ref, exports.billing_account_ids, exports.project_ids, exports.has_unallocated,
    exports.updated_at as exports_updated_at
from `tenants.tenant_profiles` as profiles
left join `tenants.tenant_exports` as exports on profiles.tenant_id = exports.tenant_id
where profiles.tenant_id = @tenant_id and profiles.status <> 'DELETED'
order by exports.export_ref
"""

# All columns that the table still has: the warehouse may be damaged.
REGISTERED = "select * from `tenants.tenant_profiles` order by tenant_id"

PROFILE_STATUS = "select status from `tenants.tenant_profiles` where tenant_id = @tenant_id"

PLAN_NAME = "select plan_name from `tenants.tenant_subscriptions` where tenant_id = @tenant_id"

EXPORTS = """
select export_ref, billing_account_ids, project_ids, has_unallocated
from `tenants.tenant_exports`
where tenant_id = @tenant_id
order by export_ref
"""

# Other tenants that read an export, such as a landing.
READERS = """
select tenant_id
from `tenants.tenant_exports`
where export_ref = @export_ref and tenant_id <> @tenant_id
order by tenant_id
"""

SET_STATUS = update(
    "`tenants.tenant_profiles`", ("status",), "tenant_id = @tenant_id", updated_at="@now"
)

UPDATE_PROFILE = update(
    "`tenants.tenant_profiles`",
    (),
    "tenant_id = @tenant_id",
    **changed(("company_name", "admin_email")),
    subscription_plan="coalesce(@plan_name, subscription_plan)",
    updated_at="@now",
)

# A last day of 9999-12-31 means no last day.
UPDATE_SUBSCRIPTION = update(
    "`tenants.tenant_subscriptions`",
    (),
    "tenant_id = @tenant_id",
    **changed((*PLAN_COLUMNS, "status")),
    trial_end_date="nullif(coalesce(@trial_end_date, trial_end_date), @never_date)",
    subscription_end_date="nullif(coalesce(@end_date, subscription_end_date), @never_date)",
    updated_at="@now",
)

# After CLAIM_LOCK: no run can be claimed between the check and the commit.
DELETE_PROFILE = """
update `tenants.tenant_profiles` set status = 'DELETED', service_account = null, updated_at = @now
where tenant_id = @tenant_id
    and not exists (
        select 1 from `{tenant}.x_meta_pipeline_runs` where status in ('PENDING', 'RUNNING')
    )
"""

DELETE_TENANT_ROWS = (
    "delete from `tenants.tenant_subscriptions` where tenant_id = @tenant_id",
    "delete from `tenants.tenant_exports` where tenant_id = @tenant_id",
    "delete from `tenants.tenant_api_keys` where tenant_id = @tenant_id",
)
