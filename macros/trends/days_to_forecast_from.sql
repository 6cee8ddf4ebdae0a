{#
    A query for the days of each month of `months` and of the eight weeks up to its last settled day:
    remaining_day is 1 for a day of the month that is not settled, days_before counts from the last settled
    day, baseline_cost is a settled day's regular cost without occasional ones, null for any other day.
#}
{% macro days_to_forecast_from(months, days, occasional) -%}
    select
        months.usage_month,
        months.billing_account_id,
        months.currency,
        months.baseline_days,
        days.day_of_week,
        case
            when days.usage_month = months.usage_month and not days.is_settled then 1 else 0
        end as remaining_day,
        months.settled_until - days.day_number as days_before,
        case
            when days.is_settled and days.day_number > months.settled_until - 56
                then days.regular_cost - coalesce(occasional.occasional_cost, 0)
        end as baseline_cost
    from {{ months }} as months
    inner join {{ days }} as days
        on
            months.billing_account_id = days.billing_account_id
            and months.currency = days.currency
            and (
                months.usage_month = days.usage_month
                or days.day_number between months.settled_until - 55 and months.settled_until
            )
    left join {{ occasional }} as occasional
        on
            months.usage_month = occasional.usage_month
            and months.billing_account_id = occasional.billing_account_id
            and months.currency = occasional.currency
            and days.day_number = occasional.day_number
{%- endmacro %}
