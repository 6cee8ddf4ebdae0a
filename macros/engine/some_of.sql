{# At most 5 of a group's texts, as an array. #}
{% macro some_of(text) -%}
    {{ adapter.dispatch('some_of')(text) }}
{%- endmacro %}

{% macro duckdb__some_of(text) -%}
    min({{ text }}, 5)
{%- endmacro %}

{% macro bigquery__some_of(text) -%}
    array_agg({{ text }} limit 5)
{%- endmacro %}
