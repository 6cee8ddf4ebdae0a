{# The id of the last folder of a path of resource names, such as folders/5512340001; null without one. #}
{% macro last_folder(path) -%}
    {{ adapter.dispatch('last_folder')(path) }}
{%- endmacro %}

{% macro duckdb__last_folder(path) -%}
    nullif(regexp_extract({{ path }}, '(folders/[^ ]+)$', 1), '')
{%- endmacro %}

{% macro bigquery__last_folder(path) -%}
    regexp_extract({{ path }}, r'(folders/[^ ]+)$')
{%- endmacro %}
