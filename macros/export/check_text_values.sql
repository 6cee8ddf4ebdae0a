{#
    Stops the call when a text file has no value in a column that every charge has, has a second header
    or a line of JSON that is no object, or lacks a required column and has one that Google does not know,
    which may be the same renamed.
    A missing column alone is null: BigQuery leaves out of JSON what has no value.
#}
{% macro check_text_values(export) -%}
    {%- set columns = export_columns() -%}
    {%- set lacks = [] -%}
    {%- for path in columns.required -%}
        {%- set top = path.split('.')[0] -%}
        {%- set name = path.split('.')[1:] | join('.') -%}
        {%- if not name -%}
            {%- do lacks.append('count(nullif(trim("' ~ path ~ '"), \'\')) = 0') -%}
        {%- elif top in columns.repeated -%}
            {%- do lacks.append(
                'count("' ~ top ~ '") = 0 or (count_if(trim("' ~ top ~ '") <> \'[]\') > 0'
                ~ ' and count(try(json_extract_string("' ~ top ~ '", \'$[0].' ~ name ~ '\'))) = 0)'
            ) -%}
        {%- else -%}
            {%- do lacks.append('count(try(json_extract_string("' ~ top ~ '", \'$.' ~ name ~ '\'))) = 0') -%}
        {%- endif -%}
    {%- endfor -%}
    {#- a CSV row without any value has no account, see lost_rows -#}
    {%- set is_empty = 'coalesce("' ~ columns.known | join('", "') ~ '") is null' if export.kind == 'json' else 'false' -%}
    {%- set rows = run_query(
        'select x_meta_file_name, count_if("billing_account_id" = \'billing_account_id\'), ' ~ lacks | join(', ')
        ~ ', count_if(' ~ is_empty ~ ') from ' ~ (export.lenient_relation or export.files_relation)
        ~ ' group by x_meta_file_name order by x_meta_file_name'
    ).rows -%}
    {%- for row in rows -%}
        {%- set broken = broken_json_line(row[0]) if row[columns.required | length + 2] else none -%}
        {%- if broken -%}
            {%- do exceptions.raise_compiler_error(
                "The export file " ~ row[0] ~ " is not valid in line " ~ broken
                ~ ": not one JSON object in UTF-8 (the file may be cut, or joined without a line end)."
            ) -%}
        {%- endif -%}
        {%- if (row[1] or 0) > 0 -%}
            {%- do exceptions.raise_compiler_error(
                "The export file " ~ row[0] ~ " is not valid in line " ~ second_header_line(row[0])
                ~ ": a second header (files were joined)."
            ) -%}
        {%- endif -%}
        {%- set lacking, valueless = [], [] -%}
        {%- for path in columns.required -%}
            {%- if row[loop.index + 1] -%}
                {%- do lacking.append(path) -%}
                {%- do valueless.append(path) if path in columns.valued -%}
            {%- endif -%}
        {%- endfor -%}
        {%- if valueless -%}
            {%- do exceptions.raise_compiler_error(
                "The export file " ~ row[0] ~ " lacks " ~ valueless | join(', ') ~ ": no row has a value."
            ) -%}
        {%- elif lacking -%}
            {%- set unknown = unknown_keys(export, row[0], lacking) -%}
            {%- if unknown -%}
                {%- do exceptions.raise_compiler_error(
                    "The export file " ~ row[0] ~ " lacks " ~ lacking | join(', ') ~ ", and has "
                    ~ unknown | join(', ') ~ ", which Google's export does not have: it may be renamed."
                ) -%}
            {%- endif -%}
        {%- endif -%}
    {%- endfor -%}
{%- endmacro %}
