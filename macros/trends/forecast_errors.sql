{#
    A query for how a forecast from the days of `days` (expected_costs) is to be corrected and how far off it
    may be, per month, billing account and currency: level_cost, by which a day of the last week was above
    what is expected of its weekday; day_variance, of days around the level of their week; level_variance,
    of the level from one week to the next, over up to eight weeks of four days or more. Statistics: floats
    but for level_cost.
#}
{% macro forecast_errors(days) -%}
    select
        usage_month,
        billing_account_id,
        currency,
        coalesce(max(case when week_start = 0 then level_cost end), {{ money('0') }}) as level_cost,
        sum(squares) / greatest(
            sum(days_in_week) - count(*) - case when max(baseline_days) < 14 then 0 else 6 end, 1
        ) as day_variance,
        coalesce(avg(pow(level_cost - level_before, 2)), 0) as level_variance
    from (
        select
            usage_month,
            billing_account_id,
            currency,
            baseline_days,
            week_start,
            level_cost,
            count(*) as days_in_week,
            sum(pow(baseline_cost - expected_cost - level_cost, 2)) as squares,
            lag(level_cost) over (
                partition by usage_month, billing_account_id, currency order by week_start
            ) as level_before
        from (
            select
                *,
                {{ divide(
                    'sum(baseline_cost - expected_cost) over one_week', 'count(*) over one_week'
                ) }} as level_cost
            from (
                select
                    *,
                    days_before - mod(days_before, 7) as week_start
                from {{ days }}
                where baseline_cost is not null
            ) as weeks
            window one_week as (
                partition by usage_month, billing_account_id, currency, week_start
            )
        ) as leveled
        group by usage_month, billing_account_id, currency, baseline_days, week_start, level_cost
        having count(*) >= 4
    ) as levels
    group by usage_month, billing_account_id, currency
{%- endmacro %}
