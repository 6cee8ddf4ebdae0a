{# What stands after FROM for the rows of a tenant's landing: its Parquet files on DuckDB, its table on BigQuery. #}
{% macro landed_rows(name) -%}
    {{ adapter.dispatch('landed_rows')(name) }}
{%- endmacro %}

{% macro duckdb__landed_rows(name) -%}
    {#- not the temporary file that a running landing writes -#}
    read_parquet(
        {{ quote_text(glob_text(landing_folder(name)) ~ '/[0-9]*.parquet') }},
        union_by_name = true, hive_partitioning = false
    )
{%- endmacro %}

{% macro bigquery__landed_rows(name) -%}
    {{ api.Relation.create(database=target.database, schema=name, identifier='export_landing') }}
{%- endmacro %}
