{#
    One row per loaded usage date, billing account, project, service and currency: its cost
    against the loaded, settled days before it. A loaded date without charges cost nothing; a
    date that was not loaded is no day at all, neither here nor in a baseline. From 28 days
    after its last charge a service has no rows any more. A view, since a correction of one
    date moves the baselines of the 28 after it.
#}
{{ config(materialized='view') }}

with costs as (

    select
        *,
        {{ day_number('usage_date') }} as day_number
    from {{ ref('cost_by_service_daily') }}

),

loaded as (

    select * from {{ ref('usage_calendar') }}
    where is_loaded

),

services as (

    select
        billing_account_id,
        project_id,
        service_id,
        currency,
        max(project_name) as project_name,
        max(service_description) as service_description,
        min(day_number) as first_day,
        max(day_number) as last_day
    from costs
    group by billing_account_id, project_id, service_id, currency

),

costs_and_zeros as (

    select
        usage_date,
        billing_account_id,
        project_id,
        service_id,
        currency,
        project_name,
        service_description,
        charge_rows,
        billed_cost
    from costs

    union all

    select
        loaded.usage_date,
        services.billing_account_id,
        services.project_id,
        services.service_id,
        services.currency,
        services.project_name,
        services.service_description,
        0 as charge_rows,
        {{ money('0') }} as billed_cost
    from services
    inner join loaded
        on loaded.day_number between services.first_day - 28 and services.last_day + 28

),

daily as (

    select
        usage_date,
        billing_account_id,
        project_id,
        service_id,
        currency,
        max(project_name) as project_name,
        max(service_description) as service_description,
        cast(sum(charge_rows) as bigint) as charge_rows,
        {{ money('sum(billed_cost)') }} as billed_cost
    from costs_and_zeros
    group by usage_date, billing_account_id, project_id, service_id, currency

),

dated as (

    select
        daily.*,
        loaded.day_number,
        loaded.day_of_week,
        loaded.is_settled,
        case when loaded.is_settled then daily.billed_cost end as settled_cost
    from daily
    inner join loaded on daily.usage_date = loaded.usage_date

),

windowed as (

    select
        *,
        sum(charge_rows) over four_weeks as trailing_rows,
        sum(settled_cost) over one_week as week_cost,
        count(settled_cost) over one_week as week_days,
        count(settled_cost) over four_weeks as baseline_days,
        array_agg(settled_cost) over four_weeks as baseline_costs,
        array_agg(settled_cost) over same_weekday as weekday_costs
    from dated
    window
        one_week as (
            partition by billing_account_id, project_id, service_id, currency
            order by day_number range between 7 preceding and 1 preceding
        ),
        four_weeks as (
            partition by billing_account_id, project_id, service_id, currency
            order by day_number range between 28 preceding and 1 preceding
        ),
        same_weekday as (
            partition by billing_account_id, project_id, service_id, currency, day_of_week
            order by day_number range between 28 preceding and 1 preceding
        )

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
        *,
        greatest(
            {{ money('coalesce(mad_28_day_cost, 0) * ' ~ var('anomaly_mads', 5) | int) }},
            {{ anomaly_minimum('currency') }}
        ) as threshold_cost
    from deviations

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
        threshold_cost,

        -- what comes back every week is none, nor is a day whose charges are still to come low
        coalesce(
            baseline_days >= 7
            and abs(billed_cost - median_28_day_cost) > threshold_cost
            and abs(billed_cost - coalesce(median_weekday_cost, median_28_day_cost))
            > threshold_cost
            and (is_settled or billed_cost > median_28_day_cost),
            false
        ) as is_anomaly

    from thresholds

)

select * from movers
