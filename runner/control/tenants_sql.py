"""Statements over the tenants' profiles, subscriptions and exports."""

TENANTS = """
select
    profiles.tenant_id, profiles.company_name, profiles.admin_email, profiles.status,
    profiles.subscription_plan, profiles.created_at, profiles.updated_at,
    profiles.default_pipeline,
    subscriptions.status as subscription_status, subscriptions.daily_limit,
    subscriptions.monthly_limit, subscriptions.concurrent_limit, subscriptions.trial_end_date,
    subscriptions.subscription_end_date
from `tenants.tenant_profiles` as profiles
left join `tenants.tenant_subscriptions` as subscriptions
    on profiles.tenant_id = subscriptions.tenant_id
where profiles.status <> 'DELETED'
order by profiles.tenant_id
"""

# What a run must know of one of them, a row for each of its exports.
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

# Whatever columns the table has left: for who looks at a warehouse that may be damaged.
REGISTERED = "select * from `tenants.tenant_profiles` order by tenant_id"

PROFILE_STATUS = "select status from `tenants.tenant_profiles` where tenant_id = @tenant_id"

PLAN_NAME = "select plan_name from `tenants.tenant_subscriptions` where tenant_id = @tenant_id"


EXPORTS = """
select export_ref, billing_account_ids, project_ids, has_unallocated
from `tenants.tenant_exports`
where tenant_id = @tenant_id
order by export_ref
"""

# Who else reads an export, such as a landing.
READERS = """
select tenant_id
from `tenants.tenant_exports`
where export_ref = @export_ref and tenant_id <> @tenant_id
order by tenant_id
"""

SET_STATUS = """
update `tenants.tenant_profiles` set status = @status, updated_at = @now
where tenant_id = @tenant_id
"""

UPDATE_PROFILE = """
update `tenants.tenant_profiles`
set company_name = coalesce(@company_name, company_name),
    admin_email = coalesce(@admin_email, admin_email),
    subscription_plan = coalesce(@plan, subscription_plan), updated_at = @now
where tenant_id = @tenant_id
"""

# A last day of 9999-12-31 is none.
UPDATE_SUBSCRIPTION = """
update `tenants.tenant_subscriptions`
set plan_name = coalesce(@plan, plan_name),
    status = coalesce(@subscription_status, status),
    daily_limit = coalesce(@daily_limit, daily_limit),
    monthly_limit = coalesce(@monthly_limit, monthly_limit),
    concurrent_limit = coalesce(@concurrent_limit, concurrent_limit),
    max_pipelines_per_day = coalesce(@daily_limit, max_pipelines_per_day),
    max_concurrent_pipelines = coalesce(@concurrent_limit, max_concurrent_pipelines),
    max_team_members = coalesce(@max_team_members, max_team_members),
    max_providers = coalesce(@max_providers, max_providers),
    trial_end_date = nullif(coalesce(@trial_end_date, trial_end_date), @never_date),
    subscription_end_date = nullif(coalesce(@end_date, subscription_end_date), @never_date),
    updated_at = @now
where tenant_id = @tenant_id
"""

# After CLAIM_LOCK: no run is claimed between the look and the end.
DELETE_PROFILE = """
update `tenants.tenant_profiles` set status = 'DELETED', service_account = null, updated_at = @now
where tenant_id = @tenant_id
    and not exists (
        select 1 from `{tenant}.x_meta_pipeline_runs` where status in ('PENDING', 'RUNNING')
    )
"""

FORGET_TENANT = (
    "delete from `tenants.tenant_subscriptions` where tenant_id = @tenant_id",
    "delete from `tenants.tenant_exports` where tenant_id = @tenant_id",
    "delete from `tenants.tenant_api_keys` where tenant_id = @tenant_id",
)
