{# Whether complete_columns adds the columns that the table at hand lacks: of a dated table on BigQuery. #}
{% macro columns_are_completed() -%}
    {{ return(adapter.dispatch('columns_are_completed')()) }}
{%- endmacro %}

{% macro duckdb__columns_are_completed() -%}
    {{ return(false) }}
{%- endmacro %}

{% macro bigquery__columns_are_completed() -%}
    {{ return(true if config.get('meta', {}).get('slice_by') else false) }}
{%- endmacro %}
