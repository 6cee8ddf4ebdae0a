{# A quotient, null where the divisor is 0. DuckDB divides in floating point: never for a bill, only for means and shares. #}
{% macro safe_divide(dividend, divisor) -%}
    {{ adapter.dispatch('safe_divide')(dividend, divisor) }}
{%- endmacro %}

{% macro duckdb__safe_divide(dividend, divisor) -%}
    ({{ dividend }}) / nullif({{ divisor }}, 0)
{%- endmacro %}

{% macro bigquery__safe_divide(dividend, divisor) -%}
    safe_divide({{ dividend }}, {{ divisor }})
{%- endmacro %}
