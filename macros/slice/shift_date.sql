{# The date so many days later (or earlier, below 0), as YYYY-MM-DD. #}
{% macro shift_date(day, days) -%}
    {%- set moved = modules.datetime.datetime.strptime(day, '%Y-%m-%d') + modules.datetime.timedelta(days=days) -%}
    {{ return(moved.strftime('%Y-%m-%d')) }}
{%- endmacro %}
