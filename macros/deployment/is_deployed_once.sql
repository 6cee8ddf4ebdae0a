{#
    Whether a node of dbt's graph changes only when the project does, so that a run need not build it
    again: a seed, a control table, a view. The view over the export is none: it checks the export's
    columns each time.
#}
{% macro is_deployed_once(node) -%}
    {{ return(
        node is not none and node is defined and (
            node.resource_type == 'seed'
            or node.resource_type == 'model' and node.name != 'stg_gcp_billing__export' and (
                node.config.materialized == 'view' or node.fqn[1:3] == ['control', 'dataset']
            )
        )
    ) }}
{%- endmacro %}
