{#
    The exports of this call's tenant, opened: what read_export returns, with `accounts` and
    `projects` (lists, empty for all) and `has_unallocated`. Read from the tenant's own
    x_meta_exports, so that bare dbt needs no vars but the tenant and the dates, and no
    request can name another tenant's account.

    are_checked: every row of text files is read first, and accounts that do not occur are reported
    to the operator.
#}
{% macro tenant_exports(registered, are_checked=false) -%}
    {%- set exports = [] -%}
    {%- if execute -%}
        {#- dbt compile may be the first that is asked of a tenant -#}
        {%- set rows = [] if load_relation(registered) is none else run_query(
            'select export_ref, billing_account_ids, project_ids, has_unallocated from '
            ~ registered ~ ' order by export_ref'
        ).rows -%}
        {%- if not rows -%}
            {%- do exceptions.raise_compiler_error(
                "Tenant " ~ tenant_id() ~ " has no export that can be read: runner tenant add "
                ~ tenant_id() ~ " --admin-email ... --export ..."
            ) -%}
        {%- endif -%}
        {%- for row in rows -%}
            {%- set export = read_export(row[0]) -%}
            {%- set faults = export_faults(export) -%}
            {%- if faults -%}
                {%- do exceptions.raise_compiler_error(faults) -%}
            {%- endif -%}
            {%- do export.update({
                'accounts': fromjson(row[1] or '[]'),
                'projects': fromjson(row[2] or '[]'),
                'has_unallocated': row[3],
            }) -%}
            {%- do check_rows(export) if are_checked -%}
            {%- do exports.append(export) -%}
        {%- endfor -%}
        {%- do report_accounts(exports) if are_checked -%}
    {%- endif -%}
    {{ return(exports) }}
{%- endmacro %}
