{#
    The tenant of this call, from the vars: a valid tenant id, which is also the name of its dataset.
    Anything else stops the call before a statement is sent.
#}
{% macro tenant_id() -%}
    {%- set id = var('tenant_id', none) -%}
    {%- if id is none -%}
        {%- do exceptions.raise_compiler_error(
            "The var tenant_id is missing. Call dbt with"
            ~ " --vars '{tenant_id: acme1281, date: 2024-11-02}'."
        ) -%}
    {%- endif -%}
    {%- if not modules.re.fullmatch('[a-z][a-z0-9_]{0,62}', id | string) -%}
        {%- do exceptions.raise_compiler_error(
            "The var tenant_id is '" ~ id ~ "': a tenant id is 1 to 63 characters from"
            ~ " a to z, 0 to 9 and _, beginning with a to z."
        ) -%}
    {%- endif -%}
    {{ return(id | string) }}
{%- endmacro %}
