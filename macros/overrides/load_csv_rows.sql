{#
    Loads a seed; of one with a column tenant_id this tenant's rows alone. One file serves all tenants,
    and another's plan must never reach this one's dataset, where time travel would keep what a hook
    deletes.

    Shadows load_csv_rows of dbt because both adapters load the file itself, whatever table they are
    handed: so the rows go as text in a statement of their own.
#}
{% macro load_csv_rows(model, agate_table) -%}
    {%- if 'tenant_id' not in agate_table.column_names -%}
        {{ return(adapter.dispatch('load_csv_rows', 'dbt')(model, agate_table)) }}
    {%- endif -%}
    {%- set rows = seed_rows(model, agate_table) -%}
    {%- set statement_of_rows = load_seed_rows(model, rows, agate_table.column_names) -%}
    {%- call statement('tenants_rows') -%}
        {{ statement_of_rows }}
    {%- endcall -%}
    {{ return(statement_of_rows) }}
{%- endmacro %}
