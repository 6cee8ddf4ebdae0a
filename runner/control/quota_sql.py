"""A tenant's limits, what it has used of them, and why a run of it would be refused now."""

# One row. Runs are counted on each read; there is no stored counter that could be wrong.
STANDING = """
select
    profiles.tenant_id, profiles.status, subscriptions.tenant_id as subscribed,
    subscriptions.plan_name, subscriptions.status as subscription_status,
    subscriptions.trial_end_date, subscriptions.subscription_end_date, subscriptions.daily_limit,
    subscriptions.monthly_limit, subscriptions.concurrent_limit,
    used.runs_today, used.runs_this_month, used.active_runs
from `tenants.tenant_profiles` as profiles
left join `tenants.tenant_subscriptions` as subscriptions
    on profiles.tenant_id = subscriptions.tenant_id
cross join (
    select
        count(case
            when status <> 'REFUSED' and date(start_time, 'UTC') = @today then 1
        end) as runs_today,
        count(case
            when status <> 'REFUSED' and date(start_time, 'UTC') >= @month_start then 1
        end) as runs_this_month,
        count(case
            when status in ('PENDING', 'RUNNING') and lease_expires_at > @now then 1
        end) as active_runs
    from `{tenant}.x_meta_pipeline_runs`
) as used
where profiles.tenant_id = @tenant_id
"""

# Null when a run would not be refused.
REFUSAL = f"""
select
    case
        when status <> 'ACTIVE' then 'tenant is ' || lower(status)
        when subscribed is null then 'tenant has no subscription'
        when subscription_status not in ('ACTIVE', 'TRIAL')
            then 'subscription is ' || lower(subscription_status)
        when subscription_status = 'TRIAL' and trial_end_date < @today
            then format('trial ended on %t', trial_end_date)
        when subscription_end_date < @today
            then format('subscription ended on %t', subscription_end_date)
        when daily_limit is null or monthly_limit is null or concurrent_limit is null
            then 'subscription has no limits: at least one of the three is not set'
        when runs_today >= daily_limit
            then format('daily limit reached: %t of %t runs used today', runs_today, daily_limit)
        when runs_this_month >= monthly_limit
            then format(
                'monthly limit reached: %t of %t runs used this month',
                runs_this_month, monthly_limit
            )
        when active_runs >= concurrent_limit
            then format(
                'concurrent limit reached: %t of %t runs are active now',
                active_runs, concurrent_limit
            )
    end as refusal
from ({STANDING}) as standing
"""
