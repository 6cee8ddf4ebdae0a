{#
    One row per usage date, billing account, currency, lateness and whether it is a
    correction: how much of a date's bill came when. Corrections carry the old usage date, so
    a closed date moves; this shows by how much, and what of it is on another month's invoice.
#}
with charges as (

    select
        *,
        {{ days_late('usage_end_time', 'export_time') }} as days_late,
        {{ year_month('usage_date_pacific') }} as usage_month_pacific
    from {{ ref('gcp_silver_cost') }}
    where {{ date_in_slice('usage_date') }}

),

bucketed as (

    select
        *,
        case
            when days_late is null then 'unknown'
            when export_time < usage_end_time then 'before the end'
            when days_late <= 1 then '0-1'
            when days_late = 2 then '2'
            when days_late <= 10 then '3-10'
            when days_late <= 31 then '11-31'
            else '>31'
        end as lateness_days
    from charges

),

arrivals as (

    select
        -- keys
        usage_date,
        billing_account_id,
        currency,
        lateness_days,
        is_correction,

        -- measures
        count(*) as charge_rows,
        {{ money('sum(gross_cost)') }} as gross_cost,
        {{ money('sum(credits_total)') }} as credits_total,
        {{ money('sum(billed_cost)') }} as billed_cost,
        {{ money(
            'sum(case when usage_month_pacific = invoice_month then 0 else billed_cost end)'
        ) }} as cross_month_billed_cost,

        -- time
        min(export_time) as first_export_time,
        max(export_time) as last_export_time

    from bucketed
    group by usage_date, billing_account_id, currency, lateness_days, is_correction

)

select * from arrivals
