{#
    DuckDB: the first line of each text file, by the file's name. Stops the call when a file has no line
    of up to 2 MB: to read longer ones, DuckDB would need over 1 GB of memory for each compressed file.
#}
{% macro first_lines(files) -%}
    {%- set lines = {} -%}
    {%- for some in files | batch(200) -%}
        {%- set query -%}
            {%- for file in some %}
            (
                select filename, line
                from read_csv(
                    {{ quote_text(glob_text(file)) }}, auto_detect = false, header = false, delim = '',
                    quote = '', escape = '', comment = '', strict_mode = false, ignore_errors = true,
                    hive_partitioning = false, filename = true, columns = {'line': 'varchar'}
                )
                limit 1
            )
            {{ 'union all' if not loop.last }}
            {%- endfor %}
        {%- endset -%}
        {%- for row in run_query(query).rows -%}
            {%- do lines.update({row[0]: row[1] or ''}) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- for file in files if file not in lines -%}
        {%- do exceptions.raise_compiler_error(
            "The export file " ~ file ~ " has no line of text below 2 MB: write one charge per"
            ~ " line, and no JSON array (with jq: `jq -c .[]`)."
        ) -%}
    {%- endfor -%}
    {{ return(lines) }}
{%- endmacro %}
