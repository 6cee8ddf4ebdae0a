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
            ~ " || item.key, 'has_value': item.value is not null, 'value': item.value})"
        ) -%}
    {%- endfor -%}
    {%- set items = "list_filter(list_concat(" ~ items | join(', ') ~ "), lambda tag: tag.key is not null)" -%}
    cast(to_json(list_reduce(
        list_prepend(
            map([], []),
            list_transform(list_sort({{ items }}), lambda tag: map([tag.key], [tag.value]))
        ),
        lambda tags, tag: map_concat(tags, tag)
    )) as varchar)
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
