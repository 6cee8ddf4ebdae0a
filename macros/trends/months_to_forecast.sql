{#
    A query for the loaded months of `days`, rows of cost_by_account_daily with settled_until: what is
    settled, how many days are missing, and the 28 days up to the last settled one, whose settled days are
    the baseline: baseline_days and their regular cost. Days are day_numbers.
#}
{% macro months_to_forecast(days) -%}
    select
        months.usage_month,
        months.billing_account_id,
        months.currency,
        months.settled_until,
        months.first_day,
        months.last_day,
        months.month_number,
        months.settled_cost,
        months.remaining_days,
        count(days.regular_cost) as baseline_days,
        {{ money('coalesce(sum(days.regular_cost), 0)') }} as baseline_cost
    from (
        select
            usage_month,
            billing_account_id,
            currency,
            max(settled_until) as settled_until,
            min(day_number) as first_day,
            max(day_number) as last_day,
            max(extract(year from usage_date) * 12 + extract(month from usage_date))
                as month_number,
            {{ money('coalesce(sum(case when is_settled then billed_cost end), 0)') }}
                as settled_cost,
            cast(sum(case when is_settled then 0 else 1 end) as bigint) as remaining_days
        from {{ days }}
        group by usage_month, billing_account_id, currency
        having sum(case when is_loaded then 1 else 0 end) > 0
    ) as months
    left join {{ days }} as days
        on
            months.billing_account_id = days.billing_account_id
            and months.currency = days.currency
            and days.is_settled
            and days.day_number between months.settled_until - 27 and months.settled_until
    group by
        months.usage_month, months.billing_account_id, months.currency, months.settled_until,
        months.first_day, months.last_day, months.month_number, months.settled_cost,
        months.remaining_days
{%- endmacro %}
