{# Whether this call asks the export which billing accounts occur in it: on BigQuery, where that is a job, only without dates. #}
{% macro asks_for_accounts() -%}
    {{ return(adapter.dispatch('asks_for_accounts')()) }}
{%- endmacro %}

{% macro duckdb__asks_for_accounts() -%}
    {{ return(true) }}
{%- endmacro %}

{% macro bigquery__asks_for_accounts() -%}
    {{ return(not has_slice()) }}
{%- endmacro %}
