{#
    The value of one key in an array of labels; null without the key, '' for a key without a
    value. A key that stands twice has both values, sorted and joined by ' | ': the charge is
    counted once, and neither of two teams is billed for it by chance. `key` is an expression;
    `name` is what the key of an element, named `item`, is.
#}
{% macro label_value(array, key, name='item.key') -%}
    {{ adapter.dispatch('label_value')(array, key, name) }}
{%- endmacro %}

{% macro duckdb__label_value(array, key, name) -%}
    list_aggregate(
        list_sort(list_distinct(list_transform(
            list_filter({{ array }}, lambda item: {{ name }} = {{ key }}),
            lambda item: coalesce(item.value, '')
        ))),
        'string_agg', ' | '
    )
{%- endmacro %}

{% macro bigquery__label_value(array, key, name) -%}
    (
        select string_agg(distinct coalesce(item.value, ''), ' | ' order by coalesce(item.value, ''))
        from unnest({{ array }}) as item
        where {{ name }} = {{ key }}
    )
{%- endmacro %}
