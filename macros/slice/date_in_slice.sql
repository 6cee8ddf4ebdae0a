{# True for a date that is one of the dates of this call. #}
{% macro date_in_slice(column) -%}
    {%- set dates = slice_dates() -%}
    ({{ column }} between date '{{ dates[0] }}' and date '{{ dates[1] }}')
{%- endmacro %}
