{# A text as a literal of the engine, whatever quotes, backslashes or line ends it has; none is null. #}
{% macro quote_text(value) -%}
    {%- if value is none -%}
        cast(null as string)
    {%- else -%}
        {{ adapter.dispatch('quote_text')(value | string) }}
    {%- endif -%}
{%- endmacro %}

{% macro default__quote_text(value) -%}
    '{{ value | replace("'", "''") }}'
{%- endmacro %}

{% macro bigquery__quote_text(value) -%}
    '{{ value | replace("\\", "\\\\") | replace("'", "\\'") | replace("\n", "\\n") | replace("\r", "\\r") }}'
{%- endmacro %}
