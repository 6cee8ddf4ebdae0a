{#
    For tests: true for a date of this call, or for any date when the call names none. Always a
    bound on the partition column, for BigQuery refuses to read billing_cost_daily without one.
#}
{% macro date_in_tested_slice(column) -%}
    {%- if has_slice() -%}
        {{ date_in_slice(column) }}
    {%- else -%}
        ({{ column }} >= date '1970-01-01')
    {%- endif -%}
{%- endmacro %}
