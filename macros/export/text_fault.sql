{#
    Stops a statement with the column of a text export that has a value which is not of Google's type.
    It does not show the value, which may be another tenant's.
#}
{% macro text_fault(export, path) -%}
    {%- set known = export_columns().types -%}
    {%- set types = [] -%}
    {%- for type, paths in known.items() if path in paths -%}
        {%- do types.append(type) -%}
    {%- endfor -%}
    error({{ quote_text(
        'The export ' ~ export.ref ~ ' has in the column ' ~ path ~ ' a value that does not fit '
        ~ (types | first or 'RECORD') ~ '.'
    ) }})
{%- endmacro %}
