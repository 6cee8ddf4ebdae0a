"""Statements of a claim: one transaction, in this order."""

from runner.control.runs_sql import ACTIVE_RUNS, MISSING, RUN_COLUMNS

# -- The claim: one transaction of the statements below, in this order.

# Updated first: on BigQuery a transaction that updates a row cancels any other that does.
CLAIM_LOCK = """
update `{tenant}.x_meta_lock` set locked_by = @run_id, locked_at = @now where lock_name = 'claim'
"""

# Why a run of the tenant would be refused now; null when it would not.
REFUSAL = """
select
    case
        when profiles.status <> 'ACTIVE'
            then 'tenant is ' || lower(profiles.status)
        when subscriptions.tenant_id is null
            then 'tenant has no subscription'
        when subscriptions.status not in ('ACTIVE', 'TRIAL')
            then 'subscription is ' || lower(subscriptions.status)
        when subscriptions.status = 'TRIAL' and subscriptions.trial_end_date < @today
            then format('trial ended on %t', subscriptions.trial_end_date)
        when subscriptions.subscription_end_date < @today
            then format('subscription ended on %t', subscriptions.subscription_end_date)
        when subscriptions.daily_limit is null or subscriptions.monthly_limit is null
            or subscriptions.concurrent_limit is null
            then 'subscription has no limits: a limit is not set'
        when used.runs_today >= subscriptions.daily_limit
            then format(
                'daily limit reached: %t of %t runs used today',
                used.runs_today, subscriptions.daily_limit
            )
        when used.runs_this_month >= subscriptions.monthly_limit
            then format(
                'monthly limit reached: %t of %t runs used this month',
                used.runs_this_month, subscriptions.monthly_limit
            )
        when used.active_runs >= subscriptions.concurrent_limit
            then format(
                'concurrent limit reached: %t of %t runs are active now',
                used.active_runs, subscriptions.concurrent_limit
            )
    end as refusal
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
        count(case when status in ('PENDING', 'RUNNING') then 1 end) as active_runs
    from `{tenant}.x_meta_pipeline_runs`
) as used
where profiles.tenant_id = @tenant_id
"""

# Before the claim: why it would be refused, beside each active run; one row at least.
LOOK_AHEAD = f"""
select
    refusals.refusal, active.pipeline_logging_id, active.worker_instance, active.pipeline_id,
    active.run_date, active.to_date, active.start_time, active.lease_expires_at
from (select 1 as one_row, refusal from ({REFUSAL}) as refused) as refusals
left join (select 1 as one_row, runs.* from ({ACTIVE_RUNS}) as runs) as active
    on refusals.one_row = active.one_row
"""

# A duplicate inserts nothing; a refusal is a row. Counted, never stored: no counter can drift.
# Who may build (@starts) and is alone is RUNNING at once, see START; else PENDING until its turn.
# Without the lock's row no two claims would conflict on BigQuery: nothing is inserted.
CLAIM_INSERT = f"""
insert into `{{tenant}}.x_meta_pipeline_runs` (
    pipeline_logging_id, pipeline_id, tenant_id, status, trigger_type, trigger_by, user_id,
    start_time, end_time, duration_ms, config_version, worker_instance, error_message, run_date,
    to_date, parameters, template, lease_expires_at
)
select
    @run_id, @pipeline_id, @tenant_id,
    case
        when refusal is not null then 'REFUSED'
        when @starts and others.runs = 0 then 'RUNNING'
        else 'PENDING'
    end,
    @trigger_type, @trigger_by, @user_id, @now,
    case when refusal is null then null else @now end,
    case when refusal is null then null else 0 end,
    @config_version, @worker_instance, refusal, @from_date, @to_date, parse_json(@parameters),
    @template,
    case
        when refusal is not null then null
        when @starts and others.runs = 0 then @build_expires_at
        else @lease_expires_at
    end
from (
{REFUSAL}
) as judged
cross join (
    select count(*) as runs
    from `{{tenant}}.x_meta_pipeline_runs`
    where status in ('PENDING', 'RUNNING') and coalesce(worker_instance, '') <> @queue
) as others
where not exists (
    select 1
    from `{{tenant}}.x_meta_pipeline_runs`
    where pipeline_logging_id = @run_id
        or (
            pipeline_id = @pipeline_id and status in ('PENDING', 'RUNNING')
            and run_date <= @to_date and to_date >= @from_date
        )
)
    and exists (select 1 from `{{tenant}}.x_meta_lock` where lock_name = 'claim')
"""

# Refused before the claim looks at quota or dates, for a reason of the caller's.
REFUSE = """
insert into `{tenant}.x_meta_pipeline_runs` (
    pipeline_logging_id, pipeline_id, tenant_id, status, trigger_type, trigger_by, user_id,
    start_time, end_time, duration_ms, config_version, worker_instance, error_message, run_date,
    to_date, parameters, template
)
select
    @run_id, @pipeline_id, @tenant_id, 'REFUSED', @trigger_type, @trigger_by,
    @user_id, @now, @now, 0, @config_version, @worker_instance, @reason,
    @from_date, @to_date, parse_json(@parameters), @template
from (select 1 as one_row) as one_row
where not exists (
    select 1 from `{tenant}.x_meta_pipeline_runs` where pipeline_logging_id = @run_id
)
"""

# One INSERT for this run and those of others: all tenants share the table, and BigQuery lets
# only so many wait for it.
CLAIM_EVENT = f"""
insert into `tenants.tenant_usage_events` (
    event_id, tenant_id, pipeline_logging_id, event_type, run_status, usage_date, occurred_at
)
select
    runs.pipeline_logging_id
    || case when runs.status = 'REFUSED' then '-refused' else '-started' end,
    runs.tenant_id, runs.pipeline_logging_id,
    case when runs.status = 'REFUSED' then 'refused' else 'started' end,
    runs.status, date(runs.start_time, 'UTC'), runs.start_time
from `{{tenant}}.x_meta_pipeline_runs` as runs
left join `tenants.tenant_usage_events` as events
    on events.tenant_id = runs.tenant_id and events.pipeline_logging_id = @run_id
where runs.pipeline_logging_id = @run_id and events.event_id is null
union all
{MISSING}
"""

# The own row, if there is one, and active runs that stand or stood in the way.
CLAIM_OUTCOME = f"""
select {RUN_COLUMNS}
from `{{tenant}}.x_meta_pipeline_runs`
where pipeline_logging_id = @run_id
    or (
        pipeline_id = @pipeline_id and status in ('PENDING', 'RUNNING')
        and run_date <= @to_date and to_date >= @from_date
    )
"""

LOCK = "select 1 as there from `{tenant}.x_meta_lock` where lock_name = 'claim'"
