{#
    One row per usage month (UTC), billing account and currency: the month so far, where it
    will end, and how it compares. Only like is held against like: the settled days against
    the same days of the month before and of the year before, and a whole month against whole
    months; null where any of those days was not loaded. Console and invoices count by Pacific
    time: billed_cost_pacific is the month as they see it.
#}
{{ config(materialized='view') }}

with days as (

    select
        *,
        extract(year from usage_date) * 12 + extract(month from usage_date) as month_number,
        extract(day from usage_date) as day_of_month
    from {{ ref('cost_by_account_daily') }}

),

forecast as (

    select * from {{ ref('cost_forecast') }}

),

pacific as (

    select
        usage_month_pacific,
        billing_account_id,
        currency,
        sum(billed_cost) as billed_cost
    from {{ ref('invoice_cost_daily') }}
    group by usage_month_pacific, billing_account_id, currency

),

months as (

    select
        usage_month,
        billing_account_id,
        currency,
        month_number,
        count(*) as days_in_month,
        sum(case when is_loaded then 1 else 0 end) as days_loaded,
        sum(case when is_settled then 1 else 0 end) as days_settled,
        max(case when is_loaded then usage_date end) as last_loaded_date,
        max(case when is_settled then day_of_month end) as last_settled_day,
        {{ money('sum(billed_cost)') }} as billed_cost
    from days
    group by usage_month, billing_account_id, currency, month_number

),

-- the days to compare with: up to the last settled one, or to the end with a whole month
earlier as (

    select
        months.usage_month,
        months.billing_account_id,
        months.currency,
        days.billed_cost,
        days.is_loaded,
        months.month_number - days.month_number as months_ago,
        months.last_settled_day = months.days_settled
        and (
            days.day_of_month <= months.last_settled_day
            or months.last_settled_day = months.days_in_month
        ) as is_same_day
    from months
    inner join days
        on
            months.billing_account_id = days.billing_account_id
            and months.currency = days.currency
            and months.month_number - days.month_number in (1, 12)

),

comparable as (

    select
        usage_month,
        billing_account_id,
        currency,
        {{ cost_if_loaded('months_ago = 1 and is_same_day') }} as same_days_last_month_cost,
        {{ cost_if_loaded('months_ago = 12 and is_same_day') }} as same_days_last_year_cost,
        {{ cost_if_loaded('months_ago = 12') }} as last_year_month_cost
    from earlier
    group by usage_month, billing_account_id, currency

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
        months.days_settled = months.days_in_month as is_complete,
        months.billed_cost,
        forecast.settled_cost,
        {{ money('months.billed_cost - forecast.settled_cost') }} as unsettled_cost,
        {{ money('coalesce(pacific.billed_cost, 0)') }} as billed_cost_pacific,

        -- measures: where it will end
        forecast.remaining_days,
        forecast.baseline_days,
        forecast.forecast_cost,
        forecast.forecast_band_cost,
        {{ money('forecast.forecast_cost - forecast.forecast_band_cost') }} as forecast_low_cost,
        {{ money('forecast.forecast_cost + forecast.forecast_band_cost') }} as forecast_high_cost,

        -- measures: how it compares
        comparable.same_days_last_month_cost,
        {{ percent_of(
            'forecast.settled_cost - comparable.same_days_last_month_cost',
            'comparable.same_days_last_month_cost'
        ) }} as change_last_month_percent,
        comparable.same_days_last_year_cost,
        {{ percent_of(
            'forecast.settled_cost - comparable.same_days_last_year_cost',
            'comparable.same_days_last_year_cost'
        ) }} as change_last_year_percent,
        comparable.last_year_month_cost,

        -- time
        months.last_loaded_date

    from months
    inner join forecast
        on
            months.usage_month = forecast.usage_month
            and months.billing_account_id = forecast.billing_account_id
            and months.currency = forecast.currency
    left join comparable
        on
            months.usage_month = comparable.usage_month
            and months.billing_account_id = comparable.billing_account_id
            and months.currency = comparable.currency
    left join pacific
        on
            months.usage_month = pacific.usage_month_pacific
            and months.billing_account_id = pacific.billing_account_id
            and months.currency = pacific.currency

)

select * from month_to_date
