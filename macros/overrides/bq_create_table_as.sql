{#
    Creates a dated table without rows, then publishes its dates like any others. `if not exists`: of two
    first runs at once, neither replaces what the other has loaded. Other tables are created as
    dbt-bigquery does.

    Shadows bq_create_table_as of dbt-bigquery because that macro creates a table and its rows in one
    statement, which leaves no place for the proof of a first build.
#}
{% macro bq_create_table_as(partition_by, temporary, relation, compiled_code, language='sql') %}
    {%- if temporary or not config.get('meta', {}).get('slice_by') -%}
        {{ return(dbt.bq_create_table_as(partition_by, temporary, relation, compiled_code, language)) }}
    {%- endif -%}
    {%- set no_rows = 'select * from (\n' ~ compiled_code ~ '\n) as model where false' -%}
    {{ create_table_as(false, relation, no_rows, language)
        | replace('create or replace table', 'create table if not exists') }}
    {%- if not is_empty_build() %}

    {{ replace_dates(relation, compiled_code, columns_of_model(compiled_code).keys()) }}
    {%- endif %}
{% endmacro %}
