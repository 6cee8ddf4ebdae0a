{#
    One row per usage month (UTC), billing account and currency: the month so far, where it
    will end, and how it compares. Only like is held against like: each settled day against the
    same day of the month before and of the year before, and a month's last day against the last
    day there, on which charges of a month fall. The 28th to 30th of March stand beside nothing
    in a February of 28 days: such days are on neither side. Null where one of the days there is
    not settled. Console and invoices count by Pacific time:
    billed_cost_pacific is the month as they see it, and a month with charges only so has a row;
    one that was not loaded has none.
#}
{{ config(materialized='view') }}

with days as (

    select
        *,
        extract(year from usage_date) * 12 + extract(month from usage_date) as month_number,
        case when usage_date = last_day(usage_date) then 0 else extract(day from usage_date) end
            as compared_day
    from {{ ref('cost_by_account_daily') }}

),

forecast as (

    select * from {{ ref('cost_forecast') }}

),

invoice_lines as (

    select * from {{ ref('invoice_cost_daily') }}

),

days_by_either_clock as (

    {{ days_by_either_clock('days', 'invoice_lines') }}

),

months as (

    select
        usage_month,
        billing_account_id,
        currency,
        month_number,
        count(usage_date) as days_in_month,
        sum(case when is_loaded then 1 else 0 end) as days_loaded,
        sum(case when is_settled then 1 else 0 end) as days_settled,
        max(case when is_loaded then usage_date end) as last_loaded_date,
        {{ money('sum(billed_cost)') }} as billed_cost,
        {{ money('sum(billed_cost_pacific)') }} as billed_cost_pacific
    from days_by_either_clock
    group by usage_month, billing_account_id, currency, month_number
    having
        sum(case when is_loaded then 1 else 0 end) > 0
        -- a row without a usage date is one by Pacific time
        or count(*) > count(usage_date)

),

compared as (

    {{ compared_months('days') }}

),

month_to_date as (

    select
        -- keys
        months.usage_month,
        months.billing_account_id,
        months.currency,

        -- measures: the month so far
        cast(months.days_in_month as bigint) as days_in_month,
        cast(months.days_loaded as bigint) as days_loaded,
        cast(months.days_settled as bigint) as days_settled,
        months.days_settled > 0 and months.days_settled = months.days_in_month as is_complete,
        months.billed_cost,
        {{ money('coalesce(forecast.settled_cost, 0)') }} as settled_cost,
        {{ money('months.billed_cost - coalesce(forecast.settled_cost, 0)') }} as unsettled_cost,
        months.billed_cost_pacific,

        -- measures: where it will end
        forecast.remaining_days,
        forecast.baseline_days,
        forecast.forecast_cost,
        forecast.forecast_band_cost,
        {{ money('forecast.forecast_cost - forecast.forecast_band_cost') }} as forecast_low_cost,
        {{ money('forecast.forecast_cost + forecast.forecast_band_cost') }} as forecast_high_cost,

        -- measures: how it compares
        cast(coalesce(compared.days_last_month, 0) as bigint) as compared_days_last_month,
        compared.same_days_last_month_cost,
        {{ money('compared.cost_beside_last_month - compared.same_days_last_month_cost') }}
            as change_last_month_cost,
        {{ percent_of(
            'compared.cost_beside_last_month - compared.same_days_last_month_cost',
            'compared.same_days_last_month_cost'
        ) }} as change_last_month_percent,
        cast(coalesce(compared.days_last_year, 0) as bigint) as compared_days_last_year,
        compared.same_days_last_year_cost,
        {{ money('compared.cost_beside_last_year - compared.same_days_last_year_cost') }}
            as change_last_year_cost,
        {{ percent_of(
            'compared.cost_beside_last_year - compared.same_days_last_year_cost',
            'compared.same_days_last_year_cost'
        ) }} as change_last_year_percent,
        case
            when
                last_year.days_settled > 0
                and last_year.days_settled = last_year.days_in_month
                then last_year.billed_cost
        end as last_year_month_cost,

        -- time
        months.last_loaded_date

    from months
    left join forecast
        on
            months.usage_month = forecast.usage_month
            and months.billing_account_id = forecast.billing_account_id
            and months.currency = forecast.currency
    left join compared
        on
            months.month_number = compared.month_number
            and months.billing_account_id = compared.billing_account_id
            and months.currency = compared.currency
    left join months as last_year
        on
            months.month_number = last_year.month_number + 12
            and months.billing_account_id = last_year.billing_account_id
            and months.currency = last_year.currency

)

select * from month_to_date
