{#
    The on-run-end hook that keeps what the test of the exports' columns found: new and lost
    columns, so that the next call does not report them again, and the optional columns that exist,
    so that the loss of one can be reported. A call that did not run it sends nothing. When dbt is
    called once more for the same run, as a service may do, no column is kept twice. It opens no export:
    one that was damaged since would stop the hook, and dbt would not report what the tests found.
#}
{% macro remember_export_columns(results) %}
    {#- ref stands outside the if: dbt must see it when it parses -#}
    {%- set remembered = ref('x_meta_export_columns') -%}
    {%- set found = [] -%}
    {%- for result in results if execute and result.status | string in ('pass', 'warn')
            and '/* optional columns: */' in (result.node.compiled_code or '') -%}
        {%- for state in ['new', 'lost'] if result.status == 'warn' -%}
            {%- do found.append((state, between_comments(result.node.compiled_code, state))) -%}
        {%- endfor -%}
        {%- set there -%}
            select there.*
            from ({{ between_comments(result.node.compiled_code, 'optional') }}) as there
            left join ({{ remembered_columns(remembered) }}) as known
                on
                    there.export_ref = known.export_ref
                    and there.column_name = known.column_name
            where known.seen_at is null or known.lost_at > known.seen_at
        {%- endset -%}
        {%- do found.append(('optional', there)) -%}
    {%- endfor -%}
    {%- if found %}
insert into {{ remembered }} (
    tenant_id, export_ref, column_name, column_type, column_state, first_seen_at, pipeline_logging_id
)
        {%- for state, query in found %}
select
    {{ quote_text(tenant_id()) }},
    export_ref,
    column_name,
    column_type,
    {{ quote_text(state) }},
    {{ now_utc() }},
    {{ quote_text(run_id()) }}
from ({{ query }}) as found
where not exists (
    select 1
    from {{ remembered }} as kept
    where
        kept.export_ref = found.export_ref
        and kept.column_name = found.column_name
        and kept.pipeline_logging_id = {{ quote_text(run_id()) }}
)
            {{ 'union all' if not loop.last }}
        {%- endfor %}
    {%- endif %}
{% endmacro %}
