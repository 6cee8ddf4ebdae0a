{#
    DuckDB: CSV files, opened as in read_export. The first line of each file is its header, and the
    delimiter is the one that the headers have. DuckDB gets all of it as options: it would guess, and skip
    the lines that do not fit its guess.
#}
{% macro read_csv_export(pattern, files) -%}
    {%- set lines = first_lines(files) -%}
    {%- set delimiters, shapes, fields = [], [], {} -%}
    {%- for file in files -%}
        {%- set unquoted = modules.re.sub('"(""|[^"])*"', '', lines[file]) -%}
        {%- set delimiter = (modules.re.findall('[,;\t|]', unquoted) or [','])[0] -%}
        {%- if delimiter not in delimiters -%}
            {%- do delimiters.append(delimiter) -%}
        {%- endif -%}
        {%- set names = [] -%}
        {#- a name in quotes may have the delimiter in it -#}
        {%- for name in modules.re.findall(
            '(?:^|[' ~ delimiter ~ '])((?:"(?:""|[^"])*"|[^"' ~ delimiter ~ '])*)', lines[file]
        ) -%}
            {%- do names.append(modules.re.sub('^"(.*)"$', '\\1', name) | replace('""', '"')) -%}
        {%- endfor -%}
        {%- if '"' in unquoted -%}
            {%- do exceptions.raise_compiler_error(
                "The export file " ~ file ~ " has a quote in its header that does not end in the same line."
            ) -%}
        {%- elif not export_columns().known | select('in', names) | list -%}
            {%- do exceptions.raise_compiler_error(
                "The export file " ~ file ~ " has no header: its first line names none of the export's"
                ~ " columns (a compressed file must end in .gz)."
            ) -%}
        {%- elif delimiters | length > 1 -%}
            {%- do exceptions.raise_compiler_error(
                "The export file " ~ file ~ " has a different delimiter than " ~ files[0] ~ "."
            ) -%}
        {%- endif -%}
        {%- set columns, lower_names = {}, [] -%}
        {%- for name in names if name -%}
            {#- DuckDB would read the first of `Cost` and `cost` as both -#}
            {%- if name | lower in lower_names -%}
                {%- do exceptions.raise_compiler_error(
                    "The export file " ~ file ~ " has the column " ~ name ~ " twice"
                    ~ ('.' if name in columns else ' (names that differ only in case).')
                ) -%}
            {%- endif -%}
            {%- do lower_names.append(name | lower) -%}
            {%- do columns.update({name: 'VARCHAR'}) -%}
        {%- endfor -%}
        {%- do fields.update(columns) -%}
        {%- set known = shapes | selectattr('names', 'equalto', names) | list -%}
        {%- if known -%}
            {%- do known[0].files.append(file) -%}
        {%- else -%}
            {%- do shapes.append({'files': [file], 'fields': columns, 'names': names}) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- set dialect -%}
        header = true, delim = {{ quote_text(delimiters[0]) }}, quote = '"', escape = '"', comment = '',
        strict_mode = true, null_padding = false, hive_partitioning = false
    {%- endset -%}
    {%- set options = dialect ~ ', skip = 0, all_varchar = true, union_by_name = true, ignore_errors = false' -%}
    {%- set relation = 'read_csv(' ~ quote_text(pattern) ~ ', ' ~ options ~ ')' -%}
    {{ return({
        'relation': relation,
        'files_relation': relation | replace(options, options ~ ", filename = 'x_meta_file_name'"),
        'dialect': dialect,
        'form': 'text',
        'fields': fields,
        'shapes': shapes,
    }) }}
{%- endmacro %}
