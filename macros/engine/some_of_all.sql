{# At most 5 elements of a group's arrays, as one array, in order of `key`. #}
{% macro some_of_all(arrays) -%}
    {{ adapter.dispatch('some_of_all')(arrays) }}
{%- endmacro %}

{% macro duckdb__some_of_all(arrays) -%}
    flatten(list({{ arrays }} order by key))[1:5]
{%- endmacro %}

{% macro bigquery__some_of_all(arrays) -%}
    array_concat_agg({{ arrays }} order by key limit 5)
{%- endmacro %}
