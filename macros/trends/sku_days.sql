{#
    A query for the costs of each usage date, billing account, project, service, SKU and currency that
    has charges: where a charge that comes once a month can be distinguished from daily charges.
#}
{% macro sku_days(costs) -%}
    select
        usage_date,
        {{ day_number('usage_date') }} as day_number,
        billing_account_id,
        project_id,
        service_id,
        sku_id,
        currency,
        {{ money('sum(billed_cost)') }} as billed_cost,
        {{ money('sum(regular_cost)') }} as regular_cost
    from {{ costs }}
    group by usage_date, billing_account_id, project_id, service_id, sku_id, currency
{%- endmacro %}
