{# Stops a statement with the column of a text export whose value is not of Google's type. #}
{% macro text_fault(export, path, value) -%}
    {%- set known = export_columns().types -%}
    {%- set types = [] -%}
    {%- for type, paths in known.items() if path in paths -%}
        {%- do types.append(type) -%}
    {%- endfor -%}
    error(concat(
        {{ quote_text('The export ' ~ export.ref ~ ' has the column ' ~ path ~ ' as ') }},
        left(cast({{ value }} as varchar), 50),
        {{ quote_text(' instead of ' ~ (types | first or 'RECORD') ~ '.') }}
    ))
{%- endmacro %}
