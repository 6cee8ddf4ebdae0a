{#
    One row per usage month (UTC), billing account and currency: what is settled and what the
    days that are missing will add, each as the mean of its weekday over the 28 days up to the
    last settled one (of all days, before two weeks are there). Tax, support and adjustments come
    once, not by the day: they count as they are booked and are in no mean. The band is 1.96 standard
    deviations of those days around their means, with the mean's own error: 95 of 100 months
    would end inside, if days were independent. An estimate in whole cents, computed in the
    engine's floating point where it divides and takes roots: no money of record.
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
        max(settled_until) as settled_until,
        {{ money('sum(case when is_settled then billed_cost else 0 end)') }} as settled_cost,
        cast(sum(case when is_settled then 0 else 1 end) as bigint) as remaining_days
    from days
    group by usage_month, billing_account_id, currency
    having sum(case when is_loaded then 1 else 0 end) > 0

),

baseline as (

    select
        months.usage_month,
        months.billing_account_id,
        months.currency,
        days.day_of_week,
        days.regular_cost,
        count(*) over whole as baseline_days,
        {{ money(quotient('sum(days.regular_cost) over whole', 'count(*) over whole')) }}
            as mean_cost,
        {{ money(quotient('sum(days.regular_cost) over weekday', 'count(*) over weekday')) }}
            as weekday_cost
    from months
    inner join days
        on
            months.billing_account_id = days.billing_account_id
            and months.currency = days.currency
            and days.day_number between months.settled_until - 27 and months.settled_until
    where days.is_settled
    window
        whole as (partition by months.usage_month, months.billing_account_id, months.currency),
        weekday as (
            partition by
                months.usage_month, months.billing_account_id, months.currency, days.day_of_week
        )

),

expected as (

    select
        *,
        case when baseline_days >= 14 then weekday_cost else mean_cost end as expected_cost,
        case when baseline_days >= 14 then 7 else 1 end as means
    from baseline

),

weekdays as (

    select
        usage_month,
        billing_account_id,
        currency,
        day_of_week,
        max(expected_cost) as expected_cost
    from expected
    group by usage_month, billing_account_id, currency, day_of_week

),

spread as (

    select
        usage_month,
        billing_account_id,
        currency,
        max(baseline_days) as baseline_days,
        max(mean_cost) as mean_cost,
        sqrt({{ quotient(
            'sum(pow(regular_cost - expected_cost, 2))', 'max(baseline_days) - max(means)'
        ) }}) as deviation
    from expected
    group by usage_month, billing_account_id, currency

),

remaining as (

    select
        days.usage_month,
        days.billing_account_id,
        days.currency,
        sum(coalesce(weekdays.expected_cost, spread.mean_cost)) as expected_cost
    from days
    left join spread
        on
            days.usage_month = spread.usage_month
            and days.billing_account_id = spread.billing_account_id
            and days.currency = spread.currency
    left join weekdays
        on
            days.usage_month = weekdays.usage_month
            and days.billing_account_id = weekdays.billing_account_id
            and days.currency = weekdays.currency
            and days.day_of_week = weekdays.day_of_week
    where not days.is_settled
    group by days.usage_month, days.billing_account_id, days.currency

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
        coalesce(spread.baseline_days, 0) as baseline_days,
        case
            when months.remaining_days = 0 then months.settled_cost
            else {{ money('round(months.settled_cost + remaining.expected_cost, 2)') }}
        end as forecast_cost,
        case
            when months.remaining_days = 0 then {{ money('0') }}
            else {{ money(
                'round(1.96 * spread.deviation * sqrt(months.remaining_days + '
                ~ quotient('months.remaining_days * months.remaining_days', 'spread.baseline_days')
                ~ '), 2)'
            ) }}
        end as forecast_band_cost

    from months
    left join remaining
        on
            months.usage_month = remaining.usage_month
            and months.billing_account_id = remaining.billing_account_id
            and months.currency = remaining.currency
    left join spread
        on
            months.usage_month = spread.usage_month
            and months.billing_account_id = spread.billing_account_id
            and months.currency = spread.currency

)

select * from forecast
