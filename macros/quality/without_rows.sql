{#
    Returns an engine's error without the row or value of an export that DuckDB quotes in it: they may
    be another tenant's, and the error becomes text of a record. `without_rows` in runner/expectations.py
    does the same with what the runner records.
#}
{% macro without_rows(error) -%}
    {%- set parts = modules.re.split(
        '\\s*(?:\\bOriginal Line:|\\bExpected \\w+, but got |\\bInput: "|\\bCould not parse string )|(?<=\\bConversion Error:)(?! CSV Error)|(?<=: )Object (?=\\{)',
        error or '', 1
    ) -%}
    {%- if parts | length == 1 -%}
        {{ return(error) }}
    {%- endif -%}
    {#- the last: a row may hold such a line, too -#}
    {%- set file = modules.re.findall('\n *file = (.*)\n', parts[1]) | last -%}
    {{ return(
        modules.re.sub('[ :]+$', '', parts[0]) ~ (' in file ' ~ file if file else '')
        ~ ": a value does not fit; dbt's log shows it."
    ) }}
{%- endmacro %}
