{#
    The fields of a DuckDB column, as a dict of their dotted paths and types: the column itself, and
    of a struct or a list of structs its fields to any depth. Written
    out because only BigQuery's columns flatten under both of dbt's engines.
#}
{% macro fields_of_type(path, type) -%}
    {%- if not type.startswith('STRUCT(') -%}
        {{ return({path: type}) }}
    {%- endif -%}
    {%- set fields = {path: type} -%}
    {%- set now = namespace(depth=0, text='') -%}
    {#- in quotes, a comma or parenthesis is part of a name -#}
    {%- for token in modules.re.findall('"[^"]*"|\'[^\']*\'|[(),]|[^(),"\']+', type) -%}
        {%- set now.depth = now.depth - (1 if token == ')' else 0) -%}
        {%- if now.depth == 0 or (now.depth == 1 and token == ',') -%}
            {%- for name in modules.re.findall('^(?:"[^"]*"|[^ ]+)', now.text | trim) -%}
                {%- set type = (now.text | trim)[name | length + 1:] -%}
                {%- do fields.update(fields_of_type(path ~ '.' ~ name | replace('"', ''), type)) -%}
            {%- endfor -%}
            {%- set now.text = '' -%}
        {%- else -%}
            {%- set now.text = now.text ~ token -%}
        {%- endif -%}
        {%- set now.depth = now.depth + (1 if token == '(' else 0) -%}
    {%- endfor -%}
    {{ return(fields) }}
{%- endmacro %}
