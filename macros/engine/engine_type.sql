{# The engine's name of one of the export's scalar types: text, money, number, flag, moment (UTC). #}
{% macro engine_type(type) -%}
    {{ adapter.dispatch('engine_type')(type) }}
{%- endmacro %}

{% macro duckdb__engine_type(type) -%}
    {{ {'text': 'varchar', 'money': 'numeric(38, 9)', 'number': 'double', 'flag': 'boolean', 'moment': 'timestamp'}[type] }}
{%- endmacro %}

{% macro bigquery__engine_type(type) -%}
    {{ {'text': 'string', 'money': 'numeric', 'number': 'float64', 'flag': 'bool', 'moment': 'timestamp'}[type] }}
{%- endmacro %}
