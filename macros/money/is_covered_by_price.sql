{#
    True for a charge of gcp_silver_cost that a commitment covers by its price: how Google bills
    spend-based commitments since July 2025. Before, the covered usage bears a credit.
#}
{% macro is_covered_by_price() -%}
    (coalesce(consumption_model_description, 'Default') <> 'Default')
{%- endmacro %}
