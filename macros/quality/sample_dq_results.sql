{#
    The on-run-end hook that puts sample rows beside the results that record_dq_results has
    written. A hook of its own, the last of all, and a query for each test: one that fails or is
    refused loses its sample and those after it, never a result nor what must be remembered.
#}
{% macro sample_dq_results(results) %}
    {#- ref stands outside the if: dbt must see it when it parses -#}
    {%- set dq_results = ref('x_meta_dq_results') -%}
    {%- for result in results if execute and result.node.resource_type == 'test'
            and result.status | string in ('fail', 'warn')
            and load_relation(dq_results) is not none -%}
        {%- do keep_sample(
            dq_results,
            dq_result_id(result.node.unique_id),
            sample_rows(failing_rows(result.node))
        ) -%}
    {%- endfor -%}
{% endmacro %}
