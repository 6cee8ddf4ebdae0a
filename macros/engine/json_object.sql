{# Columns, or (name, expression) pairs, as the text of a JSON object. #}
{% macro json_object(columns) -%}
    {%- set pairs = [] -%}
    {%- for column in columns -%}
        {%- do pairs.append((column, column) if column is string else column) -%}
    {%- endfor -%}
    {{ adapter.dispatch('json_object')(pairs) }}
{%- endmacro %}

{% macro duckdb__json_object(pairs) -%}
    cast(to_json({
    {#- without quote_text: a run makes 900 such names -#}
    {%- for name, value in pairs %}'{{ name | replace("'", "''") }}': {{ value }}{{ ', ' if not loop.last }}{% endfor -%}
    }) as varchar)
{%- endmacro %}

{% macro bigquery__json_object(pairs) -%}
    to_json_string(struct(
    {%- for name, value in pairs %}{{ value }} as {{ name }}{{ ', ' if not loop.last }}{% endfor -%}
    ))
{%- endmacro %}
