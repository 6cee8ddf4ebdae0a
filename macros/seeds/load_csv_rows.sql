{#
    Loads a seed, as dbt does; of one with a column tenant_id this tenant's rows alone. One file
    serves all tenants, and another's plan must never reach this one's dataset, where time travel
    would keep what a hook deletes. Both adapters load the file itself, whatever table they are
    handed, so the rows go as text in a statement of their own. Shadows dbt's macro of this name.
#}
{% macro load_csv_rows(model, agate_table) -%}
    {%- if 'tenant_id' not in agate_table.column_names -%}
        {{ return(adapter.dispatch('load_csv_rows', 'dbt')(model, agate_table)) }}
    {%- endif -%}
    {%- set rows = seed_rows(model, agate_table) -%}
    {%- set statement_of_rows = adapter.dispatch('load_seed_rows')(model, rows, agate_table.column_names) -%}
    {%- call statement('tenants_rows') -%}
        {{ statement_of_rows }}
    {%- endcall -%}
    {{ return(statement_of_rows) }}
{%- endmacro %}

{#
    The table was made or emptied just before, in the same transaction; its columns stand in the
    order that the file had when it was made.
#}
{% macro duckdb__load_seed_rows(model, rows, names) -%}
    insert into {{ this }} ({{ names | join(', ') }})
    {{ rows }}
{%- endmacro %}

{# One statement, so that a run beside this one never finds the table gone or filled twice. #}
{% macro bigquery__load_seed_rows(model, rows, names) -%}
    create or replace table {{ this }}
    {{ bigquery_table_options(config, model) }}
    as
    {{ rows }}
{%- endmacro %}
