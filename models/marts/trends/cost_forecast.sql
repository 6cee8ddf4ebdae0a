{#
    One row per usage month (UTC), billing account and currency: what is settled and what the
    days that are missing will add, each as the mean of its weekday over the 28 days up to the
    last settled one (of all days, before two weeks are there; nothing, before one week is). Tax,
    support and adjustments come once, not by the day: they count as they are booked and are in
    no mean. The band is 1.96 standard deviations of those days around their means, with the
    mean's own error: 95 of 100 months would end inside, if days were independent. An estimate in
    full cents, computed in the engine's floating point where it divides and takes roots: no
    money of record.
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

months as (

    select
        usage_month,
        billing_account_id,
        currency,
        max(settled_until) as settled_until
    from days
    group by usage_month, billing_account_id, currency
    having sum(case when is_loaded then 1 else 0 end) > 0

),

-- the days of each month, and those before it by which its missing ones are estimated
paired as (

    select
        months.usage_month,
        months.billing_account_id,
        months.currency,
        days.day_of_week,
        case
            when days.usage_month = months.usage_month and days.is_settled then days.billed_cost
        end as settled_cost,
        case
            when days.usage_month = months.usage_month and not days.is_settled then 1 else 0
        end as remaining_day,
        case
            when days.is_settled and days.day_number > months.settled_until - 28
                then days.regular_cost
        end as baseline_cost
    from months
    inner join days
        on
            months.billing_account_id = days.billing_account_id
            and months.currency = days.currency
            and (
                months.usage_month = days.usage_month
                or days.day_number between months.settled_until - 27 and months.settled_until
            )

),

averaged as (

    select
        *,
        count(baseline_cost) over all_days as baseline_days,
        {{ divide('sum(baseline_cost) over all_days', 'count(baseline_cost) over all_days') }}
            as mean_cost,
        {{ divide('sum(baseline_cost) over weekday', 'count(baseline_cost) over weekday') }}
            as weekday_cost
    from paired
    window
        all_days as (partition by usage_month, billing_account_id, currency),
        weekday as (partition by usage_month, billing_account_id, currency, day_of_week)

),

expected as (

    select
        *,
        case
            when baseline_days < 7 then null
            when baseline_days < 14 then mean_cost
            else coalesce(weekday_cost, mean_cost)
        end as expected_cost
    from averaged

),

totals as (

    select
        usage_month,
        billing_account_id,
        currency,
        {{ money('coalesce(sum(settled_cost), 0)') }} as settled_cost,
        cast(sum(remaining_day) as bigint) as remaining_days,
        max(baseline_days) as baseline_days,
        sum(case when remaining_day = 1 then expected_cost end) as expected_cost,
        sqrt(
            sum(pow(baseline_cost - expected_cost, 2))
            / nullif(max(baseline_days) - case when max(baseline_days) < 14 then 1 else 7 end, 0)
        ) as deviation
    from expected
    group by usage_month, billing_account_id, currency

),

forecast as (

    select
        -- keys
        usage_month,
        billing_account_id,
        currency,

        -- measures
        settled_cost,
        remaining_days,
        baseline_days,
        case
            when remaining_days = 0 then settled_cost
            else {{ money('round(settled_cost + expected_cost, 2)') }}
        end as forecast_cost,
        case
            when remaining_days = 0 then {{ money('0') }}
            else {{ money(
                'round(1.96 * deviation * sqrt(remaining_days'
                ~ ' + remaining_days * remaining_days / nullif(baseline_days, 0)), 2)'
            ) }}
        end as forecast_band_cost

    from totals

)

select * from forecast
