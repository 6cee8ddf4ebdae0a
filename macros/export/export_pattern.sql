{#
    DuckDB: the pattern of an export's files. A path that exists is a file, also when its name has
    the characters of a pattern; only another one is a pattern.
#}
{% macro export_pattern(ref) -%}
    {%- set exact = glob_text(ref) -%}
    {%- set is_file = run_query('select count(*) from glob(' ~ quote_text(exact) ~ ')').columns[0].values()[0] -%}
    {{ return(exact if is_file else ref) }}
{%- endmacro %}
