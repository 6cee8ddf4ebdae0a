{# What failed, as a JSON array for failed_expectations; null for a test that passed. #}
{% macro dq_failure(result) -%}
    {%- if result.status == 'pass' -%}
        cast(null as json)
    {%- else -%}
        {{ adapter.dispatch('json_literal')(tojson([{
            'expectation': result.node.name,
            'severity': result.node.config.severity | lower,
            'status': result.status | string,
            'failed_rows': result.failures,
            'message': result.message,
        }])) }}
    {%- endif -%}
{%- endmacro %}

{% macro duckdb__json_literal(text) -%}
    cast({{ quote_text(text) }} as json)
{%- endmacro %}

{% macro bigquery__json_literal(text) -%}
    parse_json({{ quote_text(text) }})
{%- endmacro %}
