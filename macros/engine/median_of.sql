{#
    The median of an array of money, or of how far its elements lie from a center; nulls do not
    count, and none gives null. The mean of the middle two is rounded like any money.
#}
{% macro median_of(array, center=none) -%}
    {{ adapter.dispatch('median_of')(array, center) }}
{%- endmacro %}

{% macro duckdb__median_of(array, center) -%}
    {%- set item = 'item' if center is none else 'abs(item - ' ~ center ~ ')' -%}
    {{ money(
        'list_transform([list_sort(list_transform(list_filter(' ~ array
        ~ ', lambda item: item is not null), lambda item: ' ~ item ~ '))],'
        ~ ' lambda sorted: (sorted[(len(sorted) + 1) // 2] + sorted[len(sorted) // 2 + 1]) * 0.5)[1]'
    ) }}
{%- endmacro %}

{% macro bigquery__median_of(array, center) -%}
    {%- set items = array if center is none
        else 'array(select abs(item - ' ~ center ~ ') from unnest(' ~ array
            ~ ') as item where item is not null)' -%}
    {{ money('(select percentile_cont(item, 0.5) over () from unnest(' ~ items ~ ') as item limit 1)') }}
{%- endmacro %}
