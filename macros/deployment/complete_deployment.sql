{#
    The on-run-end hook: a call that the runner asked to build all of the project, and that built it,
    leaves the project's hash. Tests are none of it: what they find is in rows.
#}
{% macro complete_deployment(results) -%}
    {%- set deployments = ref('x_meta_deployments') -%}
    {%- set hash = var('project_hash', none) -%}
    {%- if execute and hash is not none and results -%}
        {%- set failed = results
            | selectattr('node.resource_type', 'in', ['model', 'seed'])
            | rejectattr('status', 'eq', 'success') | list -%}
        {%- if not failed -%}
            {{ deployment_row(deployments, hash) }}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}
