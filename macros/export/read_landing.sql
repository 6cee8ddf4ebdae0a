{#
    A landing, `tenant:NAME`, opened as an export: the table export_landing of that tenant, on DuckDB
    the Parquet files that publish_landing wrote. Its rows have the columns of
    stg_gcp_billing__export already, so they are only picked by tenant.
#}
{% macro read_landing(ref) -%}
    {%- set name = ref.split(':')[1] -%}
    {%- if not modules.re.fullmatch('[a-z][a-z0-9_]{0,62}', name) -%}
        {%- do exceptions.raise_compiler_error("The export '" ~ ref ~ "' names no tenant.") -%}
    {%- endif -%}
    {{ return({
        'ref': ref, 'kind': 'landing', 'relation': adapter.dispatch('landed_rows')(name),
        'form': 'landed', 'fields': {}, 'shapes': [], 'has_partitions': true,
    }) }}
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
