{# The month of a date as Google writes invoice months, YYYYMM. #}
{% macro year_month(column) -%}
    {{ adapter.dispatch('year_month')(column) }}
{%- endmacro %}

{% macro duckdb__year_month(column) -%}
    strftime({{ column }}, '%Y%m')
{%- endmacro %}

{% macro bigquery__year_month(column) -%}
    format_date('%Y%m', {{ column }})
{%- endmacro %}
