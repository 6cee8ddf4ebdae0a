{#
    DuckDB: the pattern of an export's files. A path that exists is a file, also when its name has
    the characters of a pattern; only another one is a pattern. Stops the call when it is no path.
#}
{% macro export_pattern(ref) -%}
    {%- if modules.re.match('[A-Za-z][A-Za-z0-9+.-]+://', ref) -%}
        {%- do exceptions.raise_compiler_error(
            "The export " ~ ref ~ " is not on this machine: on the local target an export is a file or"
            ~ " a glob of files, so download it first."
        ) -%}
    {%- endif -%}
    {%- set exact = glob_text(ref) -%}
    {%- set is_file = run_query('select count(*) from glob(' ~ quote_text(exact) ~ ')').columns[0].values()[0] -%}
    {{ return(exact if is_file else ref) }}
{%- endmacro %}
