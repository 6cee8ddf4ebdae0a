{#
    DuckDB: NDJSON files, opened as in read_export. BigQuery leaves null fields out of JSON, so every
    known column is asked for by its name. In `lenient_relation` a line that is no object is a row of
    nulls, for check_text_values: DuckDB's own error shows the line, which may be another tenant's row.
#}
{% macro read_json_export(pattern, files) -%}
    {%- for file, line in first_lines(files).items() if not (line | trim or '{').startswith('{') -%}
        {%- do exceptions.raise_compiler_error(
            "The export file " ~ file ~ " is "
            ~ ('a JSON array: write newline-delimited JSON, one charge per line (with jq: `jq -c .[]`).'
                if (line | trim).startswith('[')
                else 'not newline-delimited JSON: its first line is not an object (a compressed file must end in .gz).')
        ) -%}
    {%- endfor -%}
    {%- set options = "format = 'newline_delimited', hive_partitioning = false" -%}
    {%- set relation -%}
        read_json({{ quote_text(pattern) }}, {{ options }}, columns = {
        {%- for name in export_columns().known + [export_columns().partition_time] -%}
            {{ name }}: 'varchar'{{ ', ' if not loop.last }}
        {%- endfor -%}
        })
    {%- endset -%}
    {%- set fields = {} -%}
    {%- set lenient = options ~ ', ignore_errors = true' -%}
    {%- set sniffed = 'read_json(' ~ quote_text(pattern) ~ ', ' ~ lenient ~ ', union_by_name = true)' -%}
    {%- for row in run_query('describe select * from ' ~ sniffed).rows -%}
        {%- do fields.update({row[0]: row[1]}) -%}
    {%- endfor -%}
    {{ return({
        'relation': relation,
        'files_relation': relation | replace(options, options ~ ", filename = 'x_meta_file_name'"),
        'lenient_relation': relation | replace(options, lenient ~ ", filename = 'x_meta_file_name'"),
        'form': 'text',
        'fields': fields,
        'shapes': [{'files': files, 'fields': fields}],
    }) }}
{%- endmacro %}
