{#
    The on-run-end hook that keeps what has_no_new_columns found, so that the next call does not
    tell it again. Nothing is sent by a call that found nothing.
#}
{% macro remember_new_columns(results) %}
    {#- ref stands outside the if: dbt must see it when it parses -#}
    {%- set remembered = ref('x_meta_export_columns') -%}
    {%- for result in results if execute and result.status == 'warn' and result.node.name.endswith('_has_no_new_columns') %}
insert into {{ remembered }} (
    tenant_id, export_ref, column_name, column_type, first_seen_at, pipeline_logging_id
)
select
    {{ quote_text(tenant_id()) }},
    export_ref,
    column_name,
    column_type,
    {{ now_utc() }},
    {{ quote_text(run_id()) }}
from ({{ failing_rows(result.node) }}) as found
    {%- endfor %}
{% endmacro %}
