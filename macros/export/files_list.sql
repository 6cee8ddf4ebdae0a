{# DuckDB: names of files as an array of patterns, for a reader of files. #}
{% macro files_list(files) -%}
    [{% for file in files %}{{ quote_text(glob_text(file)) }}{{ ', ' if not loop.last }}{% endfor %}]
{%- endmacro %}
