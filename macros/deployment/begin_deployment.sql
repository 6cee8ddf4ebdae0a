{#
    The on-run-start hook: before a call builds a view, a seed or a control table, the dataset has none
    of the project's for certain. Whatever ends the call, the next run builds them again.
#}
{% macro begin_deployment() -%}
    {#- ref stands outside the if: dbt must see it when it parses -#}
    {%- set deployments = ref('x_meta_deployments') -%}
    {%- set begun = [] -%}
    {%- for unique_id in selected_resources if execute and is_deployed_once(graph.nodes.get(unique_id)) -%}
        {%- do begun.append(unique_id) -%}
    {%- endfor -%}
    {%- if begun and load_relation(deployments) is not none -%}
        {{ deployment_row(deployments, none) }}
    {%- endif -%}
{%- endmacro %}
