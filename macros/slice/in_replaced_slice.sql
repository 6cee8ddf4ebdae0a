{#
    True for the rows of the model at hand that this call replaces, by its `slice_by`: a date, or a
    timestamp where meta.slice_as is `moment`.
#}
{% macro in_replaced_slice(of='') -%}
    {%- set column = of ~ slice_column() -%}
    {{ in_slice(column) if (config.get('meta') or {}).get('slice_as') == 'moment' else date_in_slice(column) }}
{%- endmacro %}
