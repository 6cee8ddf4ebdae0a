{# True when no key stands twice in an array of (key, value); keys that are null do not count. #}
{% macro keys_are_unique(array) -%}
    {{ adapter.dispatch('keys_are_unique')(array) }}
{%- endmacro %}

{% macro duckdb__keys_are_unique(array) -%}
    {%- set keys = 'list_transform(' ~ array ~ ', lambda item: item.key)' -%}
    (list_count({{ keys }}) = len(list_distinct({{ keys }})))
{%- endmacro %}

{% macro bigquery__keys_are_unique(array) -%}
    ((select count(item.key) = count(distinct item.key) from unnest({{ array }}) as item))
{%- endmacro %}
