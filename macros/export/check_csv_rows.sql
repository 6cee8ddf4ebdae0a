{#
    Stops the call when a row of a CSV file has more or fewer values than the file's header, or a value
    whose quotes do not end, and when the reader that all else reads with counts other rows than one
    that guesses nothing. DuckDB's own error would show the row, which may be another tenant's.
#}
{% macro check_csv_rows(export) -%}
    {%- set counted = {} -%}
    {%- for shape in export.shapes -%}
        {%- set rejects = 'rejected_rows_' ~ loop.index -%}
        {%- set strict -%}
            select x_meta_file_name, count(*)
            from read_csv(
                {{ files_list(shape.files) }}, {{ export.dialect }}, auto_detect = false,
                filename = 'x_meta_file_name', store_rejects = true, rejects_table = '{{ rejects }}', rejects_scan = '{{ rejects }}_scan',
                rejects_limit = 1, columns = {
                {%- for name in shape.names %}'column_{{ loop.index }}': 'varchar'{{ ', ' if not loop.last }}{% endfor -%}
                }
            )
            group by x_meta_file_name
        {%- endset -%}
        {%- for row in run_query(strict).rows -%}
            {%- do counted.update({row[0]: row[1]}) -%}
        {%- endfor -%}
        {%- set rejected = run_query(
            'select scans.file_path, errors.line, errors.error_type, errors.csv_line from ' ~ rejects
            ~ ' as errors inner join ' ~ rejects ~ '_scan as scans using (scan_id, file_id)'
            ~ ' order by scans.file_path, errors.line limit 1'
        ).rows -%}
        {%- do run_query('drop table ' ~ rejects) -%}
        {%- do run_query('drop table ' ~ rejects ~ '_scan') -%}
        {%- for row in rejected -%}
            {%- do exceptions.raise_compiler_error(
                "The export file " ~ row[0] ~ " is not valid in line " ~ row[1] ~ ": " ~ (
                    'a second header (files with different columns were joined)' if 'billing_account_id' in (row[3] or '')
                    else 'fewer values than its header has columns (the file was cut)' if row[2] == 'MISSING COLUMNS'
                    else 'more values than its header has columns' if row[2] == 'TOO MANY COLUMNS'
                    else 'a value whose quotes do not end (the file was cut)' if row[2] == 'UNQUOTED VALUE'
                    else 'not a row of a CSV file (' ~ row[2] | lower ~ ')'
                ) ~ "."
            ) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- for row in run_query(
        'select x_meta_file_name, count(*) from ' ~ export.files_relation ~ ' group by x_meta_file_name'
    ).rows -%}
        {%- if counted.pop(row[0], 0) != row[1] -%}
            {%- do counted.update({row[0]: 'other'}) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- for file in counted -%}
        {%- do exceptions.raise_compiler_error(
            "The export file " ~ file ~ " has rows that cannot be read: its line ends differ."
        ) -%}
    {%- endfor -%}
{%- endmacro %}
