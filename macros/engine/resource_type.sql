{# The kind of a resource, by its global name: the collection before the last segment; null without one. #}
{% macro resource_type(global_name) -%}
    {{ adapter.dispatch('resource_type')(global_name) }}
{%- endmacro %}

{% macro duckdb__resource_type(global_name) -%}
    nullif(regexp_extract({{ global_name }}, '[^/]/([^/]+)/[^/]+$', 1), '')
{%- endmacro %}

{% macro bigquery__resource_type(global_name) -%}
    regexp_extract({{ global_name }}, r'[^/]/([^/]+)/[^/]+$')
{%- endmacro %}
