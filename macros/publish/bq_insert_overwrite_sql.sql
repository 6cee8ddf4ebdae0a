{#
    BigQuery's way to replace whole dates: one script, one transaction, in the steps that DuckDB's
    has. Shadows bq_insert_overwrite_sql of dbt-bigquery, because that reads `partitions=` when dbt
    parses and so would replace another call's dates, and because MERGE cannot hold a proof.
#}
{% macro bq_insert_overwrite_sql(
    tmp_relation, target_relation, sql, unique_key, partition_by, partitions, dest_columns,
    tmp_relation_exists, copy_partitions
) %}
    {{ replace_dates(target_relation, sql, complete_columns(target_relation, sql, dest_columns)) }}
{% endmacro %}
