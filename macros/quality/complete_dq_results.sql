{#
    The last on-run-end hook: finds which expectations of the failing tests failed, with sample
    rows, and adds them to the rows that record_dq_results has written. On BigQuery it sends one query
    for each test; when one is refused (bytes, a quota), its details and those after it are lost, never
    a result. On DuckDB keep_failures has asked; when it could not, this hook is skipped.
#}
{% macro complete_dq_results(results) %}
    {#- ref stands outside the if: dbt must see it when it parses -#}
    {%- set dq_results = ref('x_meta_dq_results') -%}
    {%- set failures = {} -%}
    {%- for test in tests_that_failed(results) -%}
        {%- do failures.update({
            test.unique_id: fromjson(failures_found(test) or '[]')
        }) -%}
        {%- for row in dq_rows(results, failures) if test.unique_id in row.nodes -%}
            {%- do complete_dq_result(dq_results, row) -%}
        {%- endfor -%}
    {%- endfor -%}
{% endmacro %}
