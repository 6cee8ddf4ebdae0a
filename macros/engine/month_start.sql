{# The first day of a date's month. Not by date_trunc of dbt, which on BigQuery depends on the time zone of the session. #}
{% macro month_start(column) -%}
    {{ adapter.dispatch('month_start')(column) }}
{%- endmacro %}

{% macro duckdb__month_start(column) -%}
    cast(date_trunc('month', {{ column }}) as date)
{%- endmacro %}

{% macro bigquery__month_start(column) -%}
    date_trunc({{ column }}, month)
{%- endmacro %}
