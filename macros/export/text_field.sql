{#
    A field of a record of an export of text, as text: null where the record is, a fault with the
    column's name where what should be a record is none.
#}
{% macro text_field(export, path, record, name) -%}
    case
        when nullif(trim(cast({{ record }} as varchar)), 'null') is null then null
        when not json_valid({{ record }}) then {{ text_fault(export, path) }}
        when json_type({{ record }}) <> 'OBJECT' then {{ text_fault(export, path) }}
        else json_extract_string({{ record }}, {{ quote_text('$.' ~ name) }})
    end
{%- endmacro %}
