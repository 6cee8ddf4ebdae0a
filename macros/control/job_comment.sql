{#
    The tenant, pipeline and run of a statement: a comment in front of it, and on BigQuery the job's
    labels, so that the bill of the bill can be split by tenant, pipeline and run.
#}
{% macro job_comment(node) -%}
    {%- set comment = {
        'app': 'gcp_tenant_cost',
        'tenant': var('tenant_id', 'none') | string,
        'pipeline': var('pipeline', 'bare_dbt') | string,
        'run': (var('pipeline_logging_id', none) or invocation_id) | string,
    } -%}
    {%- if node is not none -%}
        {%- do comment.update({'node': node.name}) -%}
    {%- endif -%}
    {{ return(tojson(comment)) }}
{%- endmacro %}
