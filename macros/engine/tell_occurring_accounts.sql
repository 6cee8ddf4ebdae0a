{# Tells the terminal which billing accounts occur, where the warehouse is the operator's own (DuckDB). #}
{% macro tell_occurring_accounts(occurring) -%}
    {{ adapter.dispatch('tell_occurring_accounts')(occurring) }}
{%- endmacro %}

{% macro duckdb__tell_occurring_accounts(occurring) -%}
    {%- set more = ' and ' ~ (occurring | length - 20) ~ ' more' if occurring | length > 20 else '' -%}
    {%- do log(
        'TERMINAL: The export has rows of ' ~ (occurring[:20] | join(', ') ~ more if occurring else 'no account')
        ~ '.', info=true
    ) -%}
{%- endmacro %}

{% macro bigquery__tell_occurring_accounts(occurring) -%}
{%- endmacro %}
