{# Complete days, of 24 hours, from one UTC timestamp to a later one. #}
{% macro days_late(since, until) -%}
    {{ adapter.dispatch('days_late')(since, until) }}
{%- endmacro %}

{% macro duckdb__days_late(since, until) -%}
    datesub('day', {{ since }}, {{ until }})
{%- endmacro %}

{% macro bigquery__days_late(since, until) -%}
    timestamp_diff({{ until }}, {{ since }}, day)
{%- endmacro %}
