{# How many elements of an array of structs, each named `item`, meet a condition. #}
{% macro count_items(array, where) -%}
    {{ adapter.dispatch('count_items')(array, where) }}
{%- endmacro %}

{% macro duckdb__count_items(array, where) -%}
    len(list_filter({{ array }}, lambda item: {{ where }}))
{%- endmacro %}

{% macro bigquery__count_items(array, where) -%}
    (select count(*) from unnest({{ array }}) as item where {{ where }})
{%- endmacro %}
