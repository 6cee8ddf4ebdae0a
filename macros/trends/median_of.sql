{#
    The median of an array of money, or of how far its elements lie from a center; nulls do not
    count, and none gives null.
#}
{% macro median_of(array, center=none) -%}
    {{ adapter.dispatch('median_of')(array, center) }}
{%- endmacro %}

{% macro duckdb__median_of(array, center) -%}
    {%- set items = array if center is none
        else 'list_transform(' ~ array ~ ', lambda item: abs(item - ' ~ center ~ '))' -%}
    {{ money("list_aggregate(" ~ items ~ ", 'median')") }}
{%- endmacro %}

{% macro bigquery__median_of(array, center) -%}
    {%- set item = 'item' if center is none else 'abs(item - ' ~ center ~ ')' -%}
    (
        select (sorted[safe_offset(div(array_length(sorted) - 1, 2))] + sorted[safe_offset(div(array_length(sorted), 2))]) / 2
        from (
            select array(
                select {{ item }} from unnest({{ array }}) as item
                where item is not null order by 1
            ) as sorted
        )
    )
{%- endmacro %}
