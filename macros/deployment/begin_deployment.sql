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
    {#- not what ref gives: with --empty that is a query -#}
    {%- set table = load_relation(deployments) if begun else none -%}
    {%- if table is not none -%}
        {{ deployment_row(table, none) }}
    {%- endif -%}
{%- endmacro %}
