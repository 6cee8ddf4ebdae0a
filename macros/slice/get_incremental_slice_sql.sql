{#
    DuckDB's half of replacing whole dates: delete the dates of this call and insert what the
    model gives for them. dbt-duckdb runs both in one transaction, so a reader sees the old
    rows or the new ones. BigQuery's half is bq_insert_overwrite_sql.
#}
{% macro get_incremental_slice_sql(arg_dict) %}
    {%- set target = arg_dict['target_relation'] -%}
    {%- set columns = arg_dict['dest_columns'] | map(attribute='quoted') | join(', ') -%}
    delete from {{ target }} where {{ is_replaced() }};

    insert into {{ target }} ({{ columns }})
    select {{ columns }} from {{ arg_dict['temp_relation'] }}
{% endmacro %}
