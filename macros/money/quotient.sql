{# A quotient, null where the divisor is 0. DuckDB divides in floating point: never for a bill, only for means and shares. #}
{% macro quotient(dividend, divisor) -%}
    {{ adapter.dispatch('quotient')(dividend, divisor) }}
{%- endmacro %}

{% macro duckdb__quotient(dividend, divisor) -%}
    ({{ dividend }}) / nullif({{ divisor }}, 0)
{%- endmacro %}

{% macro bigquery__quotient(dividend, divisor) -%}
    safe_divide({{ dividend }}, {{ divisor }})
{%- endmacro %}
