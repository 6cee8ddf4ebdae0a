{#
    How DuckDB replaces dates: delete the dates of this call and insert what the model gives for
    them. dbt-duckdb runs both in one transaction, which the post-hook publish_dates ends with the
    proof. replace_dates is the same for BigQuery.
#}
{% macro get_incremental_slice_sql(arg_dict) %}
    {%- if is_empty_build() -%}
        select 1 as nothing_to_replace
    {%- else -%}
        {%- set columns = arg_dict['dest_columns'] | map(attribute='quoted') | join(', ') -%}
        {{ replaced_rows(
            arg_dict['target_relation'], columns,
            'select ' ~ columns ~ ' from ' ~ arg_dict['temp_relation']
        ) }}
    {%- endif -%}
{% endmacro %}
