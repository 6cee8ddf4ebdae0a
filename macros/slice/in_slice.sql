{# True for a UTC timestamp on one of the dates of this call. The bounds are literals, so engines prune. #}
{% macro in_slice(column) -%}
    {%- set dates = slice_dates() -%}
    (
        {{ column }} >= timestamp '{{ dates[0] }} 00:00:00'
        and {{ column }} < timestamp '{{ shift_date(dates[1], 1) }} 00:00:00'
    )
{%- endmacro %}
