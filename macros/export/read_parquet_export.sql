{#
    DuckDB: Parquet files, opened as in read_export. Files that have the same columns of the same
    types are one shape, so that a glob of many files is described once.
#}
{% macro read_parquet_export(pattern, files) -%}
    {%- set options = 'union_by_name = true, hive_partitioning = false' -%}
    {%- set relation = 'read_parquet(' ~ quote_text(pattern) ~ ', ' ~ options ~ ')' -%}
    {%- set grouped -%}
        select
            cast(to_json(list(file_name order by file_name)) as varchar),
            cast(to_json(any_value(wide)) as varchar)
        from (
            select
                file_name,
                list((name, type, num_children, repetition_type, duckdb_type, precision) order by column_id) as shape,
                list([name, format('DECIMAL({},{})', precision, scale)]) filter (where precision > 38) as wide
            from parquet_schema({{ quote_text(pattern) }})
            group by file_name
        )
        group by shape
        order by 1
    {%- endset -%}
    {%- set shapes = [] -%}
    {%- for row in run_query(grouped).rows -%}
        {%- set alike_files = fromjson(row[0]) -%}
        {%- set fields = described_fields('read_parquet(' ~ files_list(alike_files[:1]) ~ ', hive_partitioning = false)') -%}
        {#- DuckDB reads a decimal of more than 38 digits as a float: judged as what the file has -#}
        {%- for name, wide in fromjson(row[1] or 'null') or [] -%}
            {%- for path, type in fields.items() if path.split('.')[-1] == name and type == 'DOUBLE' -%}
                {%- do fields.update({path: wide}) -%}
            {%- endfor -%}
        {%- endfor -%}
        {%- do shapes.append({'files': alike_files, 'fields': fields}) -%}
    {%- endfor -%}
    {{ return({
        'relation': relation,
        'files_relation': relation | replace(options, options ~ ", filename = 'x_meta_file_name'"),
        'form': 'typed',
        'fields': shapes[0].fields if shapes | length == 1 else described_fields(relation),
        'shapes': shapes,
    }) }}
{%- endmacro %}
