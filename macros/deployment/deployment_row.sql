{# The statement that adds a row to x_meta_deployments; `hash` is none where a build begins. #}
{% macro deployment_row(deployments, hash) -%}
    insert into {{ deployments }} (tenant_id, project_hash, pipeline_logging_id, deployed_at)
    select
        {{ quote_text(tenant_id()) }},
        {{ quote_text(hash) }},
        {{ quote_text(run_id()) }},
        {{ now_utc() }}
{%- endmacro %}
