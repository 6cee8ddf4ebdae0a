{#
    A query that adds to the days of services (service_days) what lies before each: of the 7 days week_cost
    and week_days; of the 28 days trailing_rows, baseline_days and the array baseline_costs; of the same
    weekdays among these the array weekday_costs. Costs are those of settled days.
#}
{% macro trailing_costs(days) -%}
    select
        *,
        sum(charge_rows) over four_weeks as trailing_rows,
        sum(settled_cost) over one_week as week_cost,
        count(settled_cost) over one_week as week_days,
        count(settled_cost) over four_weeks as baseline_days,
        array_agg(settled_cost) over four_weeks as baseline_costs,
        array_agg(settled_cost) over same_weekday as weekday_costs
    from {{ days }}
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
{%- endmacro %}
