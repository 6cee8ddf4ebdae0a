{#
    A query for what months are compared with: per month, billing account and currency of `days` the settled
    days that have a same day, by `compared_day`, in the month before (and in the year before), how many they
    are, what they cost here and there; null where one of those there is not settled.
#}
{% macro compared_months(days) -%}
    with pairs as (

        select
            days.month_number,
            days.billing_account_id,
            days.currency,
            days.billed_cost as cost_here,
            earlier.billed_cost,
            earlier.is_settled,
            days.month_number - earlier.month_number as months_ago
        from {{ days }} as days
        inner join {{ days }} as earlier
            on
                days.billing_account_id = earlier.billing_account_id
                and days.currency = earlier.currency
                and days.compared_day = earlier.compared_day
                and days.month_number - earlier.month_number in (1, 12)
        where days.is_settled

    )

    select
        month_number,
        billing_account_id,
        currency,
        sum(case when months_ago = 1 then 1 else 0 end) as days_last_month,
        sum(case when months_ago = 1 then cost_here end) as cost_beside_last_month,
        {{ cost_if_settled('months_ago = 1') }} as same_days_last_month_cost,
        sum(case when months_ago = 12 then 1 else 0 end) as days_last_year,
        sum(case when months_ago = 12 then cost_here end) as cost_beside_last_year,
        {{ cost_if_settled('months_ago = 12') }} as same_days_last_year_cost
    from pairs
    group by month_number, billing_account_id, currency
{%- endmacro %}
