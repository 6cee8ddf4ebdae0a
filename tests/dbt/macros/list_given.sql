{# A list of structs for charges_given: `items` in the order of the fields, {name: type}; null for none. #}
{% macro list_given(fields, items) -%}
    {{ adapter.dispatch('list_given')(fields, items) }}
{%- endmacro %}

{% macro duckdb__list_given(fields, items) -%}
    {%- set type -%}
        struct({% for name, type in fields.items() %}{{ name }} {{ engine_type(type) }}{{ ', ' if not loop.last }}{% endfor %})[]
    {%- endset -%}
    {%- if items is none -%}
        cast(null as {{ type }})
    {%- else -%}
        cast([
        {%- for item in items -%}
            row({% for name in fields %}{{ quote_text(item[loop.index0]) if loop.index0 < item | length else 'null' }}{{ ', ' if not loop.last }}{% endfor %}){{ ', ' if not loop.last }}
        {%- endfor -%}
        ] as {{ type }})
    {%- endif -%}
{%- endmacro %}

{% macro bigquery__list_given(fields, items) -%}
    {%- set type -%}
        array<struct<{% for name, type in fields.items() %}{{ name }} {{ engine_type(type) }}{{ ', ' if not loop.last }}{% endfor %}>>
    {%- endset -%}
    {%- if items is none -%}
        cast(null as {{ type }})
    {%- else -%}
        {{ type }}[
        {%- for item in items -%}
            (
                {%- for type in fields.values() -%}
                cast({{ quote_text(item[loop.index0]) if loop.index0 < item | length else 'null' }} as {{ engine_type(type) }})
                {{- ', ' if not loop.last }}
                {%- endfor -%}
            ){{ ', ' if not loop.last }}
        {%- endfor -%}
        ]
    {%- endif -%}
{%- endmacro %}
