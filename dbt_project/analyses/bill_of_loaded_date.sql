{#
    One row per billing account, service and currency of the date in the vars: what was loaded.
    `date(...)` is the predecessor's: its dashboards ask this way, and prune by it on BigQuery.
#}
with charges as (

    select * from {{ ref('billing_cost_daily') }}
    where {{ date_in_slice('date(ingestion_date)') }}

),

totals as (

    select
        billing_account_id,
        service_id,
        currency,
        count(*) as charge_rows,
        {{ money('sum(cost)') }} as cost,
        {{ money('sum(credits_total)') }} as credits_total,
        {{ money('sum(cost) + sum(credits_total)') }} as net_cost,
        min(usage_start_time) as first_usage_start_time,
        max(usage_end_time) as last_usage_end_time
    from charges
    group by billing_account_id, service_id, currency

)

select * from totals
order by cost desc, billing_account_id, service_id, currency
