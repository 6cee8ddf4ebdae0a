{#
    The sum of one money field over an array of structs, 0 for none. A condition on the
    element, named `item`, may narrow it. The array is never joined: a join would repeat
    the row's own cost.
#}
{% macro sum_money(array, field, where=none) -%}
    {{ adapter.dispatch('sum_money')(array, field, where) }}
{%- endmacro %}

{% macro duckdb__sum_money(array, field, where) -%}
    {%- set items = array if where is none
        else 'list_filter(' ~ array ~ ', lambda item: ' ~ where ~ ')' -%}
    {{ money("coalesce(list_sum(list_transform(" ~ items ~ ", lambda item: item." ~ field ~ ")), 0)") }}
{%- endmacro %}

{% macro bigquery__sum_money(array, field, where) -%}
    coalesce(
        (select sum(item.{{ field }}) from unnest({{ array }}) as item{{ ' where ' ~ where if where }}),
        numeric '0'
    )
{%- endmacro %}
