{#
    DuckDB's half of replacing complete dates: deletes the dates of this call and inserts the model's rows
    for them, which must be of these dates. dbt-duckdb runs the statements in one transaction, which
    the post-hook publish_dates ends with the proof. BigQuery's half is replace_dates.
#}
{% macro get_incremental_slice_sql(arg_dict) %}
    {%- if is_empty_build() -%}
        select 1 as nothing_to_replace
    {%- else -%}
        {%- set columns = arg_dict['dest_columns'] | map(attribute='quoted') | join(', ') -%}
        select error({{ quote_text(foreign_rows()) }})
        from {{ arg_dict['temp_relation'] }}
        where not coalesce({{ is_replaced() }}, false);

        {{ replaced_rows(
            arg_dict['target_relation'], columns,
            'select ' ~ columns ~ ' from ' ~ arg_dict['temp_relation']
        ) }}
    {%- endif -%}
{% endmacro %}
