{#
    Lists of (key, value) as the text of one JSON object, keys in order. Each list comes with
    SQL for the prefix of its keys, in which the element is `item`: [(array, prefix), ...]. A
    key that a list has twice keeps one value, the last in order of the alphabet: an object
    has a key once.
#}
{% macro tags_object(lists) -%}
    {{ adapter.dispatch('tags_object')(lists) }}
{%- endmacro %}

{% macro duckdb__tags_object(lists) -%}
    {%- set items = [] -%}
    {%- for array, prefix in lists -%}
        {%- do items.append(
            "list_transform(" ~ array ~ ", lambda item: {'key': " ~ prefix
            ~ " || item.key, 'value': item.value})"
        ) -%}
    {%- endfor -%}
    {%- set items = 'list_concat(\n        ' ~ items | join(',\n        ') ~ '\n    )' -%}
    {%- set keys -%}
    list_sort(list_distinct(list_transform({{ items }}, lambda item: item.key)))
    {%- endset -%}
    cast(to_json(map({{ keys }}, list_transform({{ keys }}, lambda name: list_max(
        list_transform(list_filter({{ items }}, lambda item: item.key = name), lambda item: item.value)
    )))) as varchar)
{%- endmacro %}

{% macro bigquery__tags_object(lists) -%}
    concat('{', coalesce((
        select string_agg(concat(to_json_string(tag.key), ':', tag.value), ',' order by tag.key)
        from (
            select
                item.key,
                coalesce(to_json_string(max(item.value)), 'null') as value
            from unnest(array_concat(
                {%- for array, prefix in lists %}
                array(
                    select as struct
                        {{ prefix }} || item.key as key,
                        item.value
                    from unnest({{ array }}) as item
                ){{ ',' if not loop.last }}
                {%- endfor %}
            )) as item
            where item.key is not null
            group by item.key
        ) as tag
    ), ''), '}')
{%- endmacro %}
