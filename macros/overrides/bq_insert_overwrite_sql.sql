{#
    Replaces dates on BigQuery: one script with one transaction, in the same steps as on DuckDB.

    Shadows bq_insert_overwrite_sql of dbt-bigquery because that macro reads `partitions=` when dbt
    parses, so it would replace the dates of another call, and because its MERGE cannot hold a proof.
#}
{% macro bq_insert_overwrite_sql(
    tmp_relation, target_relation, sql, unique_key, partition_by, partitions, dest_columns,
    tmp_relation_exists, copy_partitions
) %}
    {{ replace_dates(target_relation, sql, complete_columns(target_relation, sql, dest_columns)) }}
{% endmacro %}
