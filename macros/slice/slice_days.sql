{# Every date of this call, first to last, as text. #}
{% macro slice_days() -%}
    {%- set bounds = slice_dates() -%}
    {%- set first = modules.datetime.date.fromisoformat(bounds[0]) -%}
    {%- set last = modules.datetime.date.fromisoformat(bounds[1]) -%}
    {%- set days = [] -%}
    {%- for n in range((last - first).days + 1) -%}
        {%- do days.append((first + modules.datetime.timedelta(days=n)).isoformat()) -%}
    {%- endfor -%}
    {{ return(days) }}
{%- endmacro %}
