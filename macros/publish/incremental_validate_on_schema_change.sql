{#
    Returns what dbt does about columns that a table lacks: `ignore` for a dated table on BigQuery,
    because complete_columns adds them before the transaction. With any other value dbt would first
    copy the model's rows into a temporary table. That costs bytes, and the copy would read another
    snapshot of the export than the proof. Shadows incremental_validate_on_schema_change of dbt,
    because a model with a contract cannot have `ignore` in its config.
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
