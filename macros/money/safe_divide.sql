{#
    One amount by another, as fixed point: null where there is nothing to divide by. A share of
    nothing is not known, and neither is the cost of no unit.
#}
{% macro safe_divide(dividend, divisor) -%}
    {{ money(adapter.dispatch('safe_divide')(dividend, divisor)) }}
{%- endmacro %}

{% macro duckdb__safe_divide(dividend, divisor) -%}
    ({{ dividend }}) / nullif({{ divisor }}, 0)
{%- endmacro %}

{% macro bigquery__safe_divide(dividend, divisor) -%}
    safe_divide({{ dividend }}, {{ divisor }})
{%- endmacro %}
