{# True for a UTC timestamp on one of the dates of this call. The bounds are literals, so engines prune. #}
{% macro in_slice(column) -%}
    {%- set dates = slice_dates() -%}
    (
        {{ column }} >= {{ midnight(dates[0]) }}
        and {{ column }} < {{ midnight(shift_date(dates[1], 1)) }}
    )
{%- endmacro %}
