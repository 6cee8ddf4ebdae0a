{# Why a test did not pass: dbt-core's sentence, which dbt v2 leaves out; an error speaks for itself. #}
{% macro test_message(result) -%}
    {%- set status = result.status | string -%}
    {%- if status not in ('fail', 'warn') or result.failures is not number -%}
        {{ return(result.message) }}
    {%- endif -%}
    {{ return(
        'Got ' ~ result.failures ~ ' result' ~ ('' if result.failures == 1 else 's')
        ~ ', configured to ' ~ status ~ ' if '
        ~ (result.node.config.error_if if status == 'fail' else result.node.config.warn_if)
    ) }}
{%- endmacro %}
