{# A fixed-point number as text without trailing zeros, the same on both engines. #}
{% macro plain_number(expression) -%}
    {{ adapter.dispatch('plain_number')(expression) }}
{%- endmacro %}

{% macro duckdb__plain_number(expression) -%}
    regexp_replace(cast({{ expression }} as varchar), '[.]?0+$', '')
{%- endmacro %}

{% macro bigquery__plain_number(expression) -%}
    cast({{ expression }} as string)
{%- endmacro %}
