{#
    BigQuery's half of replacing whole dates; shadows dbt-bigquery's macro of this name. One
    MERGE on false deletes the dates of this call and inserts what the model gives for them,
    so a date that became empty is emptied. The adapter's own `partitions=` is read when dbt
    parses and would replace another call's dates; its dynamic form leaves emptied dates be.
#}
{% macro bq_insert_overwrite_sql(
    tmp_relation, target_relation, sql, unique_key, partition_by, partitions, dest_columns,
    tmp_relation_exists, copy_partitions
) %}
    {%- set source_sql -%}
        (
            {%- if tmp_relation_exists %}
            select * from {{ tmp_relation }}
            {%- else %}
            {{ sql }}
            {%- endif %}
        )
    {%- endset -%}
    {%- set replaced = is_replaced('DBT_INTERNAL_DEST.') -%}

    {{ get_insert_overwrite_merge_sql(
        target_relation, source_sql, dest_columns, [replaced], include_sql_header=not tmp_relation_exists
    ) }};

    {%- if tmp_relation_exists %}
    drop table if exists {{ tmp_relation }};
    {%- endif %}
{% endmacro %}
