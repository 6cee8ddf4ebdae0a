{#
    A query for the costs that come once a month, one row per usage date, billing account, project, service
    and currency that has such: what a SKU of `sku_days` costs 27 to 33 days after its last charge, where
    charges of the three days before count as the same one. It must be at least half of the last one, and at
    most double. change_monthly_cost is what it is more than the last one.
#}
{% macro monthly_costs(sku_days) -%}
    select
        usage_date,
        billing_account_id,
        project_id,
        service_id,
        currency,
        {{ money('sum(billed_cost)') }} as monthly_cost,
        {{ money('sum(recent_cost - month_before_cost)') }} as change_monthly_cost
    from (
        select
            *,
            sum(billed_cost) over (
                partition by billing_account_id, project_id, service_id, sku_id, currency
                order by day_number range between 3 preceding and current row
            ) as recent_cost,
            count(*) over (
                partition by billing_account_id, project_id, service_id, sku_id, currency
                order by day_number range between 26 preceding and 4 preceding
            ) as days_between,
            sum(billed_cost) over (
                partition by billing_account_id, project_id, service_id, sku_id, currency
                order by day_number range between 33 preceding and 27 preceding
            ) as month_before_cost
        from {{ sku_days }}
    ) as paced
    where
        days_between = 0
        and abs(recent_cost - month_before_cost) * 2
        <= greatest(abs(recent_cost), abs(month_before_cost))
    group by usage_date, billing_account_id, project_id, service_id, currency
{%- endmacro %}
