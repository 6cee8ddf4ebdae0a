{#
    One row per usage month (UTC), billing account and currency: what is settled and what the
    days that are missing will add, each as the mean of its weekday over the 28 days up to the
    last settled one (of all days, before two weeks are there; nothing, before one week is),
    moved to the level of the last week. What does not come by the day is in no mean: tax,
    adjustments, and SKUs with charges on few days (occasional_costs). What comes once a month
    is expected on its own (monthly_charges_to_come). The band is 1.96 standard deviations of
    days, of the level from week to week, which may go on moving, and of monthly charges. An
    estimate in full cents, in floating point where it takes roots: no money of record.
#}
{{ config(materialized='view') }}

with days as (

    select
        *,
        max(case when is_settled then day_number end) over (
            partition by billing_account_id, currency order by day_number
        ) as settled_until
    from {{ ref('cost_by_account_daily') }}

),

costs as (

    select * from {{ ref('cost_daily') }}

),

sku_days as (

    {{ sku_days('costs') }}

),

months as (

    {{ months_to_forecast('days') }}

),

occasional as (

    {{ occasional_costs('months', 'sku_days') }}

),

monthly as (

    {{ monthly_charges_to_come('months', 'sku_days') }}

),

paired as (

    {{ days_to_forecast_from('months', 'days', 'occasional') }}

),

expected as (

    {{ expected_costs('paired') }}

),

errors as (

    {{ forecast_errors('expected') }}

),

totals as (

    select
        usage_month,
        billing_account_id,
        currency,
        sum(case when remaining_day = 1 then expected_cost end) as expected_cost
    from expected
    group by usage_month, billing_account_id, currency

),

forecast as (

    select
        -- keys
        months.usage_month,
        months.billing_account_id,
        months.currency,

        -- measures
        months.settled_cost,
        months.remaining_days,
        months.baseline_days,
        {{ money('coalesce(monthly.expected_cost, 0)') }} as expected_monthly_cost,
        case
            when months.remaining_days = 0 then months.settled_cost
            else {{ money(
                'round(months.settled_cost + totals.expected_cost + months.remaining_days'
                ~ ' * errors.level_cost + coalesce(monthly.expected_cost, 0), 2)'
            ) }}
        end as forecast_cost,
        case
            when months.remaining_days = 0 then {{ money('0') }}
            else {{ money(
                'round(0.01 + coalesce(monthly.uncertain_cost, 0) + 1.96 * sqrt('
                ~ 'errors.day_variance * (months.remaining_days + pow(months.remaining_days, 2) / 7)'
                ~ ' + errors.level_variance * pow(months.remaining_days, 2)'
                ~ ' * (1 + months.remaining_days / 21) + coalesce(monthly.twice_variance, 0) / 2), 2)'
            ) }}
        end as forecast_band_cost

    from months
    inner join totals
        on
            months.usage_month = totals.usage_month
            and months.billing_account_id = totals.billing_account_id
            and months.currency = totals.currency
    left join errors
        on
            months.usage_month = errors.usage_month
            and months.billing_account_id = errors.billing_account_id
            and months.currency = errors.currency
    left join monthly
        on
            months.usage_month = monthly.usage_month
            and months.billing_account_id = monthly.billing_account_id
            and months.currency = monthly.currency

)

select * from forecast
