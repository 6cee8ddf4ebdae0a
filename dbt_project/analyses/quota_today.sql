{# One row: what the tenant has used of its limits today (UTC) and this month, and what remains. #}
{{ config(enabled=target.type == "bigquery") }}
with quotas as (

    select * from {{ ref('tenant_usage_quotas') }}

),

today as (

    select
        tenant_id,
        usage_date,
        pipelines_run_today,
        daily_limit,
        greatest(daily_limit - pipelines_run_today, 0) as remaining_today,
        pipelines_run_month,
        monthly_limit,
        greatest(monthly_limit - pipelines_run_month, 0) as remaining_this_month,
        concurrent_pipelines_running,
        concurrent_limit,
        greatest(concurrent_limit - concurrent_pipelines_running, 0) as remaining_at_once
    from quotas
    where tenant_id = '{{ tenant_id() }}' and usage_date = cast({{ now_utc() }} as date)

)

select * from today
