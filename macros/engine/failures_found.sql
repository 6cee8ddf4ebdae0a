{# What a failing test found, as JSON text: on DuckDB as keep_failures has kept it, on BigQuery by its query. #}
{% macro failures_found(test) -%}
    {{ return(adapter.dispatch('failures_found')(test)) }}
{%- endmacro %}

{% macro duckdb__failures_found(test) -%}
    {{ return(run_query(
        'select found from failures_of_call where node = ' ~ quote_text(test.unique_id)
    ).rows[0][0]) }}
{%- endmacro %}

{% macro bigquery__failures_found(test) -%}
    {{ return(run_query(failures_text(query_of_failures(test))).rows[0][0]) }}
{%- endmacro %}
