{#
    Returns the nodes of this call's tests that failed or warned; none before x_meta_dq_results exists.
#}
{% macro tests_that_failed(results) -%}
    {#- ref stands outside the if: dbt must see it when it parses -#}
    {%- set dq_results = ref('x_meta_dq_results') -%}
    {%- set tests = [] -%}
    {%- for result in results if execute and result.node.resource_type == 'test'
            and result.status | string in ('fail', 'warn')
            and load_relation(dq_results) is not none -%}
        {%- do tests.append(result.node) -%}
    {%- endfor -%}
    {{ return(tests) }}
{%- endmacro %}
