{# True when an array of labels has this key, false for no array. The array is never joined. #}
{% macro has_label(labels, key) -%}
    {{ adapter.dispatch('has_label')(labels, key) }}
{%- endmacro %}

{% macro duckdb__has_label(labels, key) -%}
    coalesce(len(list_filter({{ labels }}, lambda item: item.key = {{ quote_text(key) }})) > 0, false)
{%- endmacro %}

{% macro bigquery__has_label(labels, key) -%}
    exists(select 1 from unnest({{ labels }}) as item where item.key = {{ quote_text(key) }})
{%- endmacro %}
