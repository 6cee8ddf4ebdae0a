{#
    True for the rows of an opened export that are this tenant's. Charges of an account that
    belong to no project (tax, support, rounding, a project's first day) are the tenant's when
    the tenant has the complete account, or when onboarding chose it (has_unallocated): two
    tenants that split one account by project must not both be billed for them.
#}
{% macro of_tenant(export) -%}
    {%- set account = export_field(export, 'billing_account_id') -%}
    {%- set project = project_of(export) -%}
    {%- if export.accounts -%}
        {{ account }} in ({% for id in export.accounts %}{{ quote_text(id) }}{{ ', ' if not loop.last }}{% endfor %})
    {%- else -%}
        1 = 1
    {%- endif %}
    {%- if export.projects %}
        and (
            {{ project }} in ({% for id in export.projects %}{{ quote_text(id) }}{{ ', ' if not loop.last }}{% endfor %})
            {%- if export.has_unallocated %}
            or {{ project }} is null
            {%- endif %}
        )
    {%- endif %}
{%- endmacro %}
