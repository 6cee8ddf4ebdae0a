{# What a failing test found, as JSON text: on DuckDB as keep_findings has kept it, on BigQuery by its query. #}
{% macro findings_found(test) -%}
    {{ return(adapter.dispatch('findings_found')(test)) }}
{%- endmacro %}

{% macro duckdb__findings_found(test) -%}
    {{ return(run_query(
        'select found from findings_of_call where node = ' ~ quote_text(test.unique_id)
    ).rows[0][0]) }}
{%- endmacro %}

{% macro bigquery__findings_found(test) -%}
    {{ return(run_query(findings_text(query_of_findings(test))).rows[0][0]) }}
{%- endmacro %}
