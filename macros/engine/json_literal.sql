{# A list or dict as a literal of type JSON; an empty one is null. #}
{% macro json_literal(value) -%}
    {%- if value -%}
        {{ adapter.dispatch('json_literal')(quote_text(tojson(value))) }}
    {%- else -%}
        cast(null as json)
    {%- endif -%}
{%- endmacro %}

{% macro duckdb__json_literal(text) -%}
    cast({{ text }} as json)
{%- endmacro %}

{% macro bigquery__json_literal(text) -%}
    parse_json({{ text }})
{%- endmacro %}
