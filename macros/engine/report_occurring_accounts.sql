{# Prints on the terminal which billing accounts occur, where the warehouse is the operator's (DuckDB). #}
{% macro report_occurring_accounts(occurring) -%}
    {{ adapter.dispatch('report_occurring_accounts')(occurring) }}
{%- endmacro %}

{% macro duckdb__report_occurring_accounts(occurring) -%}
    {%- set more = ' and ' ~ (occurring | length - 20) ~ ' more' if occurring | length > 20 else '' -%}
    {%- do log(
        'TERMINAL: The export has rows of ' ~ (occurring[:20] | join(', ') ~ more if occurring else 'no account')
        ~ '.', info=true
    ) -%}
{%- endmacro %}

{% macro bigquery__report_occurring_accounts(occurring) -%}
{%- endmacro %}
