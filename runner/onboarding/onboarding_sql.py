"""Statements that add a tenant or bring one up to date."""

ADD_PROFILE = """
insert into `tenants.tenant_profiles` (
    tenant_id, company_name, admin_email, tenant_dataset_id, status, subscription_plan,
    created_at, updated_at, default_pipeline
)
select
    @tenant_id, @company_name, @admin_email, @tenant_id, 'ACTIVE', @plan, @now, @now,
    @default_pipeline
from (select 1 as one_row) as one_row
where not exists (select 1 from `tenants.tenant_profiles` where tenant_id = @tenant_id)
"""

SET_PROFILE = """
update `tenants.tenant_profiles`
set company_name = @company_name, admin_email = @admin_email, subscription_plan = @plan,
    default_pipeline = @default_pipeline,
    status = case when status = 'DELETED' then 'ACTIVE' else status end, updated_at = @now
where tenant_id = @tenant_id
    and (
        coalesce(company_name, '') <> @company_name or admin_email <> @admin_email
        or subscription_plan <> @plan or status = 'DELETED'
        or coalesce(default_pipeline, '') <> coalesce(@default_pipeline, '')
    )
"""

ADD_SUBSCRIPTION = """
insert into `tenants.tenant_subscriptions` (subscription_id, tenant_id, status, created_at)
select @subscription_id, @tenant_id, 'ACTIVE', @now
from (select 1 as one_row) as one_row
where not exists (select 1 from `tenants.tenant_subscriptions` where tenant_id = @tenant_id)
"""

# Another plan brings its limits; what somebody set on the same plan stays.
SET_SUBSCRIPTION = """
update `tenants.tenant_subscriptions`
set plan_name = @plan, daily_limit = @daily_limit, monthly_limit = @monthly_limit,
    concurrent_limit = @concurrent_limit, max_team_members = @max_team_members,
    max_providers = @max_providers, max_pipelines_per_day = @daily_limit,
    max_concurrent_pipelines = @concurrent_limit, updated_at = @now
where tenant_id = @tenant_id and plan_name <> @plan
"""

# Repair fills what is null and changes nothing else: a limit that somebody set stays.
FILL_PROFILE = """
update `tenants.tenant_profiles`
set status = coalesce(status, 'SUSPENDED'), subscription_plan = coalesce(subscription_plan, @plan),
    updated_at = @now
where tenant_id = @tenant_id and (status is null or subscription_plan is null)
"""

FILL_SUBSCRIPTION = """
update `tenants.tenant_subscriptions`
set plan_name = coalesce(plan_name, @plan), status = coalesce(status, 'ACTIVE'),
    daily_limit = coalesce(daily_limit, @daily_limit),
    monthly_limit = coalesce(monthly_limit, @monthly_limit),
    concurrent_limit = coalesce(concurrent_limit, @concurrent_limit),
    max_team_members = coalesce(max_team_members, @max_team_members),
    max_providers = coalesce(max_providers, @max_providers),
    max_pipelines_per_day = coalesce(max_pipelines_per_day, daily_limit, @daily_limit),
    max_concurrent_pipelines = coalesce(
        max_concurrent_pipelines, concurrent_limit, @concurrent_limit
    ),
    updated_at = @now
where tenant_id = @tenant_id
    and (
        plan_name is null or status is null or daily_limit is null or monthly_limit is null
        or concurrent_limit is null or max_team_members is null or max_providers is null
        or max_pipelines_per_day is null or max_concurrent_pipelines is null
    )
"""

# Ends the transaction that has just written the exports of a tenant without any filter, when
# somebody else, but a landing, reads one of them, be it by a landing that takes all of it. After
# ONBOARDING_LOCK: of two that write at once, one is first.
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

# Updated first by who adds or repairs a tenant: two at once conflict, where on BigQuery two inserts
# never do.
ONBOARDING_LOCK = """
update `tenants.tenant_lock` set locked_by = @tenant_id, locked_at = @now
where lock_name = 'onboarding'
"""

ADD_ONBOARDING_LOCK = """
insert into `tenants.tenant_lock` (lock_name, locked_by, locked_at)
select 'onboarding', @tenant_id, @now
from (select 1 as one_row) as one_row
where not exists (select 1 from `tenants.tenant_lock` where lock_name = 'onboarding')
"""

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

# The same where the table of profiles is gone, or from before there were landings.
ALL_EXPORTS_ALONE = """
select
    tenant_id, export_ref, billing_account_ids, project_ids, has_unallocated, false as is_landing
from `tenants.tenant_exports`
order by tenant_id, export_ref
"""

# `table`: the central one, or the tenant's own copy.
DROP_EXPORTS = "delete from {table} where tenant_id = @tenant_id"

ADD_EXPORT = """
insert into {table} (
    export_id, tenant_id, export_ref, billing_account_ids, project_ids, has_unallocated,
    created_at, updated_at
)
values (
    @export_id_{n}, @tenant_id, @export_ref_{n}, @billing_account_ids, @project_ids,
    @has_unallocated, @now, @now
)
"""

ADD_LOCK = """
insert into `{tenant}.x_meta_lock` (lock_name, locked_by, locked_at)
select 'claim', 'tenant add', @now
from (select 1 as one_row) as one_row
where not exists (select 1 from `{tenant}.x_meta_lock` where lock_name = 'claim')
"""
