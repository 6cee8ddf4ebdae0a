{#
    Empties a seed's table before it is loaded anew, as dbt does: DuckDB in the transaction of the
    load. dbt-bigquery drops it; a seed with a column tenant_id is replaced there by the statement
    that load_csv_rows sends, and is never away in between. Shadows dbt's macro of this name.
#}
{% macro reset_csv_table(model, full_refresh, old_relation, agate_table) -%}
    {%- if 'tenant_id' in agate_table.column_names -%}
        {{ return(adapter.dispatch('reset_seed')(model, full_refresh, old_relation, agate_table)) }}
    {%- endif -%}
    {{ return(adapter.dispatch('reset_csv_table', 'dbt')(model, full_refresh, old_relation, agate_table)) }}
{%- endmacro %}

{% macro duckdb__reset_seed(model, full_refresh, old_relation, agate_table) -%}
    {{ return(default__reset_csv_table(model, full_refresh, old_relation, agate_table)) }}
{%- endmacro %}

{# dbt loads nothing of a file with a header alone: then the table is replaced here. #}
{% macro bigquery__reset_seed(model, full_refresh, old_relation, agate_table) -%}
    {%- if agate_table.rows | length == 0 -%}
        {%- do load_csv_rows(model, agate_table) -%}
    {%- endif -%}
    {{ return('') }}
{%- endmacro %}
