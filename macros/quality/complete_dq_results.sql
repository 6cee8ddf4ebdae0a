{#
    The last on-run-end hook: finds which expectations of the failing tests failed, with sample
    rows, and adds them to the rows that record_dq_results has written. It sends one query for each
    test. When a query is refused (bytes, a quota), its details and those after it are lost, never a
    result.
#}
{% macro complete_dq_results(results) %}
    {#- ref stands outside the if: dbt must see it when it parses -#}
    {%- set dq_results = ref('x_meta_dq_results') -%}
    {%- set findings = {} -%}
    {%- for result in results if execute and result.node.resource_type == 'test'
            and result.status | string in ('fail', 'warn')
            and load_relation(dq_results) is not none -%}
        {%- set test = result.node -%}
        {%- set query = test.compiled_code
            if test.test_metadata and test.test_metadata.name == 'expectations'
            else findings_of_test(expectations_of_test(test)[0][0], test.compiled_code) -%}
        {%- do findings.update({
            test.unique_id: fromjson(run_query(findings_text(query)).rows[0][0] or '[]')
        }) -%}
        {%- for row in dq_rows(results, findings) if test.unique_id in row.nodes -%}
            {%- do complete_dq_result(dq_results, row) -%}
        {%- endfor -%}
    {%- endfor -%}
{% endmacro %}
