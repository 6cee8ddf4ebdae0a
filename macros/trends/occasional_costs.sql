{#
    A query for what a forecast's means leave out: for each month of `months` that has remaining days, of each
    day of the eight weeks up to its last settled day, the regular cost of the SKUs of a project that within
    the same four weeks had charges on fewer than every seventh day, or only within four days, and made up
    over a hundredth of what four weeks cost. Such a charge predicts nothing about later days.
#}
{% macro occasional_costs(months, sku_days) -%}
    select
        usage_month,
        billing_account_id,
        currency,
        day_number,
        {{ money('sum(regular_cost)') }} as occasional_cost
    from (
        select
            months.usage_month,
            months.billing_account_id,
            months.currency,
            months.baseline_days,
            months.baseline_cost,
            sku_days.day_number,
            sku_days.regular_cost,
            count(*) over one_sku as sku_dates,
            max(sku_days.day_number) over one_sku - min(sku_days.day_number) over one_sku
                as days_long,
            sum(sku_days.regular_cost) over one_sku as sku_cost
        from {{ months }} as months
        inner join {{ sku_days }} as sku_days
            on
                months.billing_account_id = sku_days.billing_account_id
                and months.currency = sku_days.currency
                and sku_days.day_number between months.settled_until - 55 and months.settled_until
        where months.remaining_days > 0
        window one_sku as (
            partition by
                months.usage_month, months.billing_account_id, months.currency,
                sku_days.project_id, sku_days.service_id, sku_days.sku_id,
                sku_days.day_number > months.settled_until - 28
        )
    ) as counted
    where
        (sku_dates * 7 < baseline_days or days_long <= 3)
        and abs(sku_cost) * 100 > abs(baseline_cost)
    group by usage_month, billing_account_id, currency, day_number
{%- endmacro %}
