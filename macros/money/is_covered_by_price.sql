{#
    True for a charge that a commitment covers by its price: how Google bills spend-based
    commitments since July 2025 (before, the covered usage bears a credit). Not every consumption
    model is a commitment's: it must apply a subscription, or be named as Google names these.
#}
{% macro is_covered_by_price() -%}
    (
        coalesce(cost_type, 'regular') in ('regular', 'adjustment')
        and coalesce(consumption_model_description, 'Default') <> 'Default'
        and (
            nullif(consumption_model_applied_subscription_instance_id, '') is not null
            or nullif(subscription_instance_id, '') is not null
            or consumption_model_description like '%CUD%'
            or lower(consumption_model_description) like '%commit%'
        )
    )
{%- endmacro %}
