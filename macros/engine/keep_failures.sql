{#
    On DuckDB an on-run-end hook that keeps what the failing tests found, for complete_dq_results. Their
    queries may read the export's files, of which one may be damaged by now. When they are the
    hook's own statement, dbt reports its error beside the results of the tests; an error while a hook is
    rendered leaves no result at all. BigQuery's tests read no files. Begins with a semicolon: it follows
    remember_export_columns.
#}
{% macro keep_failures(results) -%}
    {{ adapter.dispatch('keep_failures')(tests_that_failed(results)) }}
{%- endmacro %}

{% macro duckdb__keep_failures(tests) -%}
    {%- for test in tests %}
        {{ '; create or replace temporary table failures_of_call as' if loop.first else 'union all' }}
        select {{ quote_text(test.unique_id) }} as node, ({{ failures_text(query_of_failures(test)) }}) as found
    {%- endfor %}
{%- endmacro %}

{% macro bigquery__keep_failures(tests) -%}
{%- endmacro %}
