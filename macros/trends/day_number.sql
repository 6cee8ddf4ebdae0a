{# A date as a whole number, a day later is one more: what windows over days can range over. #}
{% macro day_number(column) -%}
    {{ adapter.dispatch('day_number')(column) }}
{%- endmacro %}

{% macro duckdb__day_number(column) -%}
    ({{ column }} - date '1970-01-01')
{%- endmacro %}

{% macro bigquery__day_number(column) -%}
    unix_date({{ column }})
{%- endmacro %}
