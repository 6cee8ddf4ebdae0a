{# The UTC date of a timestamp: BigQuery's cast gives that of the project's `default_time_zone`. #}
{% macro utc_date(moment) -%}
    {{ adapter.dispatch('utc_date')(moment) }}
{%- endmacro %}

{% macro duckdb__utc_date(moment) -%}
    cast({{ moment }} as date)
{%- endmacro %}

{% macro bigquery__utc_date(moment) -%}
    date({{ moment }}, 'UTC')
{%- endmacro %}
