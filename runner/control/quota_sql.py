"""What a tenant has used of its quota."""

QUOTA = """
select
    profiles.tenant_id, profiles.status, subscriptions.plan_name,
    subscriptions.status as subscription_status, subscriptions.daily_limit,
    subscriptions.monthly_limit, subscriptions.concurrent_limit,
    coalesce(used.runs_today, 0) as runs_today,
    coalesce(used.runs_this_month, 0) as runs_this_month,
    coalesce(used.active_runs, 0) as active_runs
from `tenants.tenant_profiles` as profiles
left join `tenants.tenant_subscriptions` as subscriptions
    on profiles.tenant_id = subscriptions.tenant_id
cross join (
    select
        sum(case when status <> 'REFUSED' and date(start_time, 'UTC') = @today then 1 else 0 end)
            as runs_today,
        sum(case
            when status <> 'REFUSED' and date(start_time, 'UTC') >= @month_start then 1 else 0
        end) as runs_this_month,
        sum(case
            when status in ('PENDING', 'RUNNING') and lease_expires_at > @now then 1 else 0
        end) as active_runs
    from `{tenant}.x_meta_pipeline_runs`
) as used
where profiles.tenant_id = @tenant_id
"""
