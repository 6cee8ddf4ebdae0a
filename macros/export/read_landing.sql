{#
    A landing, `tenant:NAME`, opened as an export: the table export_landing of that tenant, on DuckDB
    the Parquet files that publish_landing wrote. Its rows have the columns of
    stg_gcp_billing__export already, so they are only picked by tenant.
#}
{% macro read_landing(ref) -%}
    {%- set name = ref.split(':')[1] -%}
    {%- if not modules.re.fullmatch('[a-z][a-z0-9_]{0,62}', name) -%}
        {%- do exceptions.raise_compiler_error("The export '" ~ ref ~ "' has no tenant id: write tenant:ID.") -%}
    {%- endif -%}
    {{ return({
        'ref': ref, 'kind': 'landing', 'relation': landed_rows(name),
        'form': 'landed', 'fields': {}, 'shapes': [], 'has_partitions': true,
    }) }}
{%- endmacro %}
