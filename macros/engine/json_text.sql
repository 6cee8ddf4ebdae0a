{# An array or struct as JSON text; null stays null. #}
{% macro json_text(expression) -%}
    {{ adapter.dispatch('json_text')(expression) }}
{%- endmacro %}

{% macro duckdb__json_text(expression) -%}
    cast(to_json({{ expression }}) as varchar)
{%- endmacro %}

{% macro bigquery__json_text(expression) -%}
    to_json_string({{ expression }})
{%- endmacro %}
