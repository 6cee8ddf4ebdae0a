{#
    DuckDB: the names of the files that match an export's pattern, in order. Stops the call when
    there is none, or when one is empty: an empty file has lost its rows, or was never written.
#}
{% macro files_of_export(ref, pattern) -%}
    {%- set files = run_query(
        'select filename, size from read_blob(' ~ quote_text(pattern) ~ ') order by filename'
    ).rows -%}
    {%- if not files -%}
        {%- do exceptions.raise_compiler_error(
            "The export " ~ ref ~ " was not found: no file matches it."
        ) -%}
    {%- endif -%}
    {%- set names = [] -%}
    {%- for file in files -%}
        {%- if file[1] == 0 -%}
            {%- do exceptions.raise_compiler_error("The export file " ~ file[0] ~ " is empty.") -%}
        {%- endif -%}
        {%- do names.append(file[0]) -%}
    {%- endfor -%}
    {{ return(names) }}
{%- endmacro %}
