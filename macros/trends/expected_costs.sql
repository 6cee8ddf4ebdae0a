{#
    A query that adds expected_cost to the days of `days`: the mean of baseline_cost over the days of the
    same weekday among those less than 28 days before the last settled one; over all of these where
    baseline_days is below 14 or the weekday has none; null where baseline_days is below 7.
#}
{% macro expected_costs(days) -%}
    select
        *,
        case
            when baseline_days < 7 then null
            when baseline_days < 14 then mean_cost
            else coalesce(weekday_cost, mean_cost)
        end as expected_cost
    from (
        select
            *,
            {{ divide('sum(recent_cost) over all_days', 'count(recent_cost) over all_days') }}
                as mean_cost,
            {{ divide('sum(recent_cost) over weekday', 'count(recent_cost) over weekday') }}
                as weekday_cost
        from (
            select
                *,
                case when days_before < 28 then baseline_cost end as recent_cost
            from {{ days }}
        ) as recent
        window
            all_days as (partition by usage_month, billing_account_id, currency),
            weekday as (partition by usage_month, billing_account_id, currency, day_of_week)
    ) as averaged
{%- endmacro %}
