{#
    The statement that adds a row to x_meta_deployments; `hash` is none where a build begins, and then
    there is one only if something was deployed completely before it.
#}
{% macro deployment_row(deployments, hash) -%}
    insert into {{ deployments }} (tenant_id, project_hash, pipeline_logging_id, deployed_at)
    select
        {{ quote_text(tenant_id()) }},
        {{ quote_text(hash) }},
        {{ quote_text(run_id()) }},
        {{ now_utc() }}
    {%- if hash is none %}
    from (select 1 as one_row) as one_row
    where (select project_hash from {{ deployments }} order by deployed_at desc limit 1) is not null
    {%- endif %}
{%- endmacro %}
