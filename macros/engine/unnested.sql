{# Texts as rows of one column, `expectation`. #}
{% macro unnested(texts) -%}
    {{ adapter.dispatch('unnested')(texts | join(', ')) }}
{%- endmacro %}

{% macro duckdb__unnested(texts) -%}
    unnest([{{ texts }}]) as failed(expectation)
{%- endmacro %}

{% macro bigquery__unnested(texts) -%}
    unnest([{{ texts }}]) as expectation
{%- endmacro %}
