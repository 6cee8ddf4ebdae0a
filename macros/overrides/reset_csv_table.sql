{#
    Empties a seed's table before it is loaded anew. DuckDB does so in the transaction of the load. On
    BigQuery, a seed with a column tenant_id is replaced by the statement that load_csv_rows sends.

    Shadows reset_csv_table of dbt because dbt-bigquery drops the table, and a run beside this one would
    find it missing.
#}
{% macro reset_csv_table(model, full_refresh, old_relation, agate_table) -%}
    {%- if 'tenant_id' in agate_table.column_names -%}
        {{ return(reset_seed(model, full_refresh, old_relation, agate_table)) }}
    {%- endif -%}
    {{ return(adapter.dispatch('reset_csv_table', 'dbt')(model, full_refresh, old_relation, agate_table)) }}
{%- endmacro %}
