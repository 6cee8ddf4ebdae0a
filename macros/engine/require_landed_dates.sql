{#
    Stops the call when the tenant reads a landing that has not completely landed one of its dates: an
    empty date has an empty file, so what is not there was lost or never landed, and a bill made from
    the rest would lack its charges. On DuckDB, where a landing's dates are files; BigQuery's is a
    table, replaced in one transaction.
#}
{% macro require_landed_dates() -%}
    {#- a unit test brings rows of its own -#}
    {%- if execute and has_slice() and model.resource_type == 'model' -%}
        {{ adapter.dispatch('require_landed_dates')() }}
    {%- endif -%}
{%- endmacro %}

{% macro duckdb__require_landed_dates() -%}
    {%- set registered = adapter.get_relation(
        database=target.database, schema=tenant_id(), identifier='x_meta_exports'
    ) -%}
    {%- if registered is not none -%}
        {%- for row in run_query(
            "select export_ref from " ~ registered ~ " where export_ref like 'tenant:%' order by export_ref"
        ).rows -%}
            {%- do require_landed_files(row[0].split(':')[1]) -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}

{% macro bigquery__require_landed_dates() -%}
{%- endmacro %}
