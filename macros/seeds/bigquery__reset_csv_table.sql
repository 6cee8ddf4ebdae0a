{#
    dbt-bigquery drops a seed's table before it loads it anew. One with a column tenant_id is
    replaced by the statement that load_csv_rows sends, and is never away in between.
#}
{% macro bigquery__reset_csv_table(model, full_refresh, old_relation, agate_table) -%}
    {%- if 'tenant_id' not in agate_table.column_names or (agate_table.rows | length) == 0 -%}
        {%- do adapter.drop_relation(old_relation) -%}
        {%- if (agate_table.rows | length) == 0 -%}
            {{ return(create_csv_table(model, agate_table)) }}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}
