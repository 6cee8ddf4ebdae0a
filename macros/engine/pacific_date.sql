{# The date in Google's billing time zone, Pacific with daylight saving, of a UTC timestamp. #}
{% macro pacific_date(column) -%}
    {{ adapter.dispatch('pacific_date')(column) }}
{%- endmacro %}

{% macro duckdb__pacific_date(column) -%}
    cast({{ column }} at time zone 'UTC' at time zone 'America/Los_Angeles' as date)
{%- endmacro %}

{% macro bigquery__pacific_date(column) -%}
    date({{ column }}, 'America/Los_Angeles')
{%- endmacro %}
