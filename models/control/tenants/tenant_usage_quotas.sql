{#
    One row per tenant and day with usage, and one for today: used, limits and what runs now.
    A view over the events and the subscriptions, so today's row needs no nightly reset and
    no counter can drift.
#}
with events as (

    select * from {{ ref('tenant_usage_events') }}

),

subscriptions as (

    select * from {{ ref('tenant_subscriptions') }}

),

tenant_days as (

    select
        tenant_id,
        usage_date
    from (
        select
            tenant_id,
            usage_date
        from events
        union all
        select
            tenant_id,
            {{ utc_date(now_utc()) }} as usage_date
        from subscriptions
    ) as mentioned_days
    group by tenant_id, usage_date

),

runs_per_day as (

    select
        tenant_id,
        usage_date,
        sum(case when event_type = 'started' then 1 else 0 end) as started,
        sum(
            case when event_type = 'finished' and run_status = 'COMPLETED' then 1 else 0 end
        ) as succeeded,
        sum(
            case when event_type = 'finished' and run_status = 'FAILED' then 1 else 0 end
        ) as failed,
        max(occurred_at) as last_updated,
        min(occurred_at) as created_at
    from events
    group by tenant_id, usage_date

),

runs_per_month as (

    select
        tenant_days.tenant_id,
        tenant_days.usage_date,
        coalesce(sum(runs_per_day.started), 0) as started_in_month
    from tenant_days
    left join runs_per_day
        on
            tenant_days.tenant_id = runs_per_day.tenant_id
            and tenant_days.usage_date >= runs_per_day.usage_date
            and extract(year from tenant_days.usage_date)
            = extract(year from runs_per_day.usage_date)
            and extract(month from tenant_days.usage_date)
            = extract(month from runs_per_day.usage_date)
    group by tenant_days.tenant_id, tenant_days.usage_date

),

running_now as (

    select
        tenant_id,
        count(*) as running
    from (
        select
            tenant_id,
            pipeline_logging_id
        from events
        group by tenant_id, pipeline_logging_id
        having
            sum(case when event_type = 'started' then 1 else 0 end) > 0
            and sum(case when event_type = 'finished' then 1 else 0 end) = 0
    ) as unfinished_runs
    group by tenant_id

),

quotas as (

    select
        -- keys
        concat(
            tenant_days.tenant_id, '-', cast(tenant_days.usage_date as {{ engine_type('text') }})
        ) as usage_id,
        tenant_days.tenant_id,
        tenant_days.usage_date,

        -- measures
        coalesce(runs_per_day.started, 0) as pipelines_run_today,
        coalesce(runs_per_day.succeeded, 0) as pipelines_succeeded_today,
        coalesce(runs_per_day.failed, 0) as pipelines_failed_today,
        runs_per_month.started_in_month as pipelines_run_month,
        coalesce(running_now.running, 0) as concurrent_pipelines_running,
        subscriptions.daily_limit,
        subscriptions.monthly_limit,
        subscriptions.concurrent_limit,

        -- time
        coalesce(runs_per_day.last_updated, {{ now_utc() }}) as last_updated,
        coalesce(runs_per_day.created_at, {{ now_utc() }}) as created_at

    from tenant_days
    inner join subscriptions
        on tenant_days.tenant_id = subscriptions.tenant_id
    inner join runs_per_month
        on
            tenant_days.tenant_id = runs_per_month.tenant_id
            and tenant_days.usage_date = runs_per_month.usage_date
    left join runs_per_day
        on
            tenant_days.tenant_id = runs_per_day.tenant_id
            and tenant_days.usage_date = runs_per_day.usage_date
    left join running_now
        on tenant_days.tenant_id = running_now.tenant_id

)

select
    usage_id,
    tenant_id,
    usage_date,
    cast(pipelines_run_today as bigint) as pipelines_run_today,
    cast(pipelines_succeeded_today as bigint) as pipelines_succeeded_today,
    cast(pipelines_failed_today as bigint) as pipelines_failed_today,
    cast(pipelines_run_month as bigint) as pipelines_run_month,
    cast(concurrent_pipelines_running as bigint) as concurrent_pipelines_running,
    daily_limit,
    monthly_limit,
    concurrent_limit,
    last_updated,
    created_at
from quotas
