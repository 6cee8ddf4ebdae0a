{#
    One repeated record of an export of text, element by element: JSON, of which the fields are
    taken by name, so that a new one changes nothing. What is no list of records, and a value that
    does not fit, stops the statement with the column's name.
#}
{% macro text_list(export, path, fields) -%}
    {%- set parts = path.split('.') -%}
    {%- set list = '"' ~ path ~ '"' if parts | length == 1
        else text_field(export, parts[0], '"' ~ parts[0] ~ '"', parts[1]) -%}
    list_transform(
        case
            when nullif(trim({{ list }}), 'null') is null then cast([] as json[])
            when not json_valid({{ list }}) then {{ text_fault(export, path) }}
            when json_type({{ list }}) <> 'ARRAY' then {{ text_fault(export, path) }}
            else cast({{ list }} as json[])
        end,
        lambda item: struct_pack(
            {%- for name, type in fields %}
            {%- set value = text_field(export, path, 'item', name) %}
            "{{ name }}" := {{ text_value(export, path ~ '.' ~ name, value, type) if type != 'text' else value }}
            {{- ',' if not loop.last }}
            {%- endfor %}
        )
    )
{%- endmacro %}
