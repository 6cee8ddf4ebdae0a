{#
    One row per date (UTC) of the loaded months, billing account and currency, also where no
    charge was found or no run has been: 0 on a loaded date without charges, null on one that
    was not loaded. What months are added up and forecast from.
#}
{{ config(materialized='view') }}

with invoice_lines as (

    select * from {{ ref('invoice_cost_daily') }}

),

calendar as (

    select * from {{ ref('usage_calendar') }}

),

accounts as (

    select
        billing_account_id,
        currency
    from invoice_lines
    group by billing_account_id, currency

),

costs_and_zeros as (

    select
        usage_date,
        billing_account_id,
        currency,
        charge_rows,
        billed_cost,
        case when cost_type = 'regular' then billed_cost else 0 end as regular_cost
    from invoice_lines

    union all

    select
        calendar.usage_date,
        accounts.billing_account_id,
        accounts.currency,
        0 as charge_rows,
        {{ money('0') }} as billed_cost,
        {{ money('0') }} as regular_cost
    from calendar
    cross join accounts

),

daily as (

    select
        usage_date,
        billing_account_id,
        currency,
        cast(sum(charge_rows) as bigint) as charge_rows,
        {{ money('sum(billed_cost)') }} as billed_cost,
        {{ money('sum(regular_cost)') }} as regular_cost
    from costs_and_zeros
    group by usage_date, billing_account_id, currency

),

dated as (

    select
        -- keys
        daily.usage_date,
        daily.billing_account_id,
        daily.currency,

        -- attributes
        calendar.usage_month,
        calendar.day_number,
        calendar.day_of_week,
        calendar.is_loaded,
        calendar.is_settled,

        -- measures
        daily.charge_rows,
        case when calendar.is_loaded then daily.billed_cost end as billed_cost,
        case when calendar.is_loaded then daily.regular_cost end as regular_cost

    from daily
    inner join calendar on daily.usage_date = calendar.usage_date

)

select * from dated
