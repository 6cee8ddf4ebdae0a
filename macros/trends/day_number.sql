{# A date as a number of which the day after is one more: what windows over days can range over. #}
{% macro day_number(column) -%}
    {{ dbt.datediff("date '1970-01-01'", column, 'day') }}
{%- endmacro %}
