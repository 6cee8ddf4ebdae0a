{#
    One row per loaded usage date, billing account, project, service and currency: its cost
    against the loaded, settled days before it. A loaded date without charges cost nothing; a
    date that was not loaded is no day at all, neither here nor in a baseline. From 28 days
    after its last charge a service has no rows any more. A view, since a correction of one
    date moves the baselines of the 28 after it.
#}
{{ config(materialized='view') }}

with costs as (

    select * from {{ ref('cost_by_service_daily') }}

),

loaded as (

    select * from {{ ref('usage_calendar') }}
    where is_loaded

),

skus as (

    select * from {{ ref('cost_daily') }}

),

sku_days as (

    {{ sku_days('skus') }}

),

monthly as (

    {{ monthly_costs('sku_days') }}

),

days as (

    {{ service_days('costs', 'loaded') }}

),

windowed as (

    {{ trailing_costs('days') }}

),

baselines as (

    select
        *,
        {{ divide('week_cost', 'week_days') }} as mean_7_day_cost,
        {{ median_of('baseline_costs') }} as median_28_day_cost,
        {{ median_of('weekday_costs') }} as median_weekday_cost
    from windowed
    where charge_rows > 0 or trailing_rows > 0

),

deviations as (

    select
        *,
        {{ median_of('baseline_costs', center='median_28_day_cost') }} as mad_28_day_cost
    from baselines

),

thresholds as (

    select
        deviations.*,
        monthly.change_monthly_cost,
        coalesce(monthly.monthly_cost, {{ money('0') }}) as monthly_cost,
        deviations.billed_cost - coalesce(monthly.monthly_cost, {{ money('0') }}) as daily_cost,
        greatest(
            {{ money('coalesce(mad_28_day_cost, 0) * ' ~ var('anomaly_mads', 5) | int) }},
            {{ anomaly_minimum('deviations.currency') }}
        ) as threshold_cost
    from deviations
    left join monthly
        on
            deviations.usage_date = monthly.usage_date
            and deviations.billing_account_id = monthly.billing_account_id
            and deviations.project_id = monthly.project_id
            and deviations.service_id = monthly.service_id
            and deviations.currency = monthly.currency

),

movers as (

    select
        -- keys
        usage_date,
        billing_account_id,
        project_id,
        service_id,
        currency,

        -- attributes
        project_name,
        service_description,
        is_settled,

        -- measures
        charge_rows,
        billed_cost,
        baseline_days,
        mean_7_day_cost,
        median_28_day_cost,
        median_weekday_cost,
        mad_28_day_cost,
        {{ money('billed_cost - mean_7_day_cost') }} as change_7_day_cost,
        {{ percent_of('billed_cost - mean_7_day_cost', 'mean_7_day_cost') }}
            as change_7_day_percent,
        {{ money('billed_cost - median_28_day_cost') }} as change_28_day_cost,
        {{ percent_of('billed_cost - median_28_day_cost', 'median_28_day_cost') }}
            as change_28_day_percent,
        {{ money('billed_cost - median_weekday_cost') }} as change_weekday_cost,
        {{ percent_of('billed_cost - median_weekday_cost', 'median_weekday_cost') }}
            as change_weekday_percent,
        monthly_cost,
        change_monthly_cost,
        threshold_cost,

        -- what comes back every week or month is none, nor is a day whose charges are still to
        -- come low
        coalesce(
            baseline_days >= 7
            and abs(daily_cost - median_28_day_cost) > threshold_cost
            and abs(daily_cost - coalesce(median_weekday_cost, median_28_day_cost))
            > threshold_cost
            and (is_settled or daily_cost > median_28_day_cost),
            false
        ) as is_anomaly

    from thresholds

)

select * from movers
