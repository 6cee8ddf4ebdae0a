{# The UTC date of a timestamp: BigQuery's cast gives that of the project's `default_time_zone`. #}
{% macro utc_date(timestamp) -%}
    {{ adapter.dispatch('utc_date')(timestamp) }}
{%- endmacro %}

{% macro duckdb__utc_date(timestamp) -%}
    cast({{ timestamp }} as date)
{%- endmacro %}

{% macro bigquery__utc_date(timestamp) -%}
    date({{ timestamp }}, 'UTC')
{%- endmacro %}
