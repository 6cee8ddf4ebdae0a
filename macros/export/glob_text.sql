{# DuckDB: a path as a pattern that matches this path alone, whatever characters it has. #}
{% macro glob_text(path) -%}
    {{ return(modules.re.sub('([][*?])', '[\\1]', path)) }}
{%- endmacro %}
