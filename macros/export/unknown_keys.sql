{#
    DuckDB: the columns of a text file that Google does not document, and the fields in those records
    of which a path is lacking.
#}
{% macro unknown_keys(export, file, lacking) -%}
    {%- set columns = export_columns() -%}
    {%- set known = columns.known + columns.documented + [columns.partition_time] -%}
    {%- set keys = [] -%}
    {%- if export.kind == 'json' -%}
        {%- do keys.append(
            'select unnest(json_keys(json)) as name from read_ndjson_objects(' ~ files_list([file]) ~ ')'
        ) -%}
    {%- else -%}
        {%- for shape in export.shapes if file in shape.files -%}
            {%- for name in shape.names -%}
                {%- do keys.append('select ' ~ quote_text(name) ~ ' as name') -%}
            {%- endfor -%}
        {%- endfor -%}
    {%- endif -%}
    {%- for path in lacking if '.' in path -%}
        {%- set top = path.split('.')[0] -%}
        {%- set record = '"' ~ top ~ '"' -%}
        {%- do keys.append(
            "select '" ~ top ~ ".' || unnest(try(json_keys("
            ~ ('json_extract(' ~ record ~ ", '$[0]')" if top in columns.repeated else record)
            ~ '))) as name from ' ~ export.files_relation ~ ' where x_meta_file_name = ' ~ quote_text(file)
        ) -%}
    {%- endfor -%}
    {%- set unknown = [] -%}
    {%- for row in run_query('select distinct name from (' ~ keys | join(' union all ') ~ ') order by name').rows
            if row[0] and row[0] not in known -%}
        {%- do unknown.append(row[0]) -%}
    {%- endfor -%}
    {{ return(unknown) }}
{%- endmacro %}
