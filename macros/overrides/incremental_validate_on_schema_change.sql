{#
    Returns what dbt does about columns that a table lacks: nothing, where complete_columns adds them.
    With any other value dbt would first copy the model's rows into a temporary table. That costs bytes,
    and the copy would read another snapshot of the export than the proof.

    Shadows incremental_validate_on_schema_change of dbt because a model with a contract cannot have
    `ignore` in its config.
#}
{% macro incremental_validate_on_schema_change(on_schema_change, default='ignore') %}
    {%- if columns_are_completed() -%}
        {{ return('ignore') }}
    {%- endif -%}
    {{ return(dbt.incremental_validate_on_schema_change(on_schema_change, default)) }}
{% endmacro %}
