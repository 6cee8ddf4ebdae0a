{# The engine's name of one of the export's scalar types: text, money, float, boolean, timestamp (UTC). #}
{% macro engine_type(type) -%}
    {{ adapter.dispatch('engine_type')(type) }}
{%- endmacro %}

{% macro duckdb__engine_type(type) -%}
    {{ {'text': 'varchar', 'money': 'numeric(38, 9)', 'float': 'double', 'boolean': 'boolean', 'timestamp': 'timestamp'}[type] }}
{%- endmacro %}

{% macro bigquery__engine_type(type) -%}
    {{ {'text': 'string', 'money': 'numeric', 'float': 'float64', 'boolean': 'bool', 'timestamp': 'timestamp'}[type] }}
{%- endmacro %}
