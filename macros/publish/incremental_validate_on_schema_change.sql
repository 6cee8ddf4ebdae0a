{#
    How dbt handles columns that a table lacks. For a dated table on BigQuery complete_columns does
    it, before the transaction, and dbt is told `ignore`: else it would copy the model's rows into a
    temporary table first, which costs bytes and is another snapshot of the export than the
    proof's. Shadows incremental_validate_on_schema_change of dbt, because contracts refuse
    `ignore` in the config.
#}
{% macro incremental_validate_on_schema_change(on_schema_change, default='ignore') %}
    {{ return(adapter.dispatch('schema_change')(on_schema_change, default)) }}
{% endmacro %}

{% macro default__schema_change(on_schema_change, default) %}
    {{ return(dbt.incremental_validate_on_schema_change(on_schema_change, default)) }}
{% endmacro %}

{% macro bigquery__schema_change(on_schema_change, default) %}
    {%- if config.get('meta', {}).get('slice_by') -%}
        {{ return('ignore') }}
    {%- endif -%}
    {{ return(dbt.incremental_validate_on_schema_change(on_schema_change, default)) }}
{% endmacro %}
