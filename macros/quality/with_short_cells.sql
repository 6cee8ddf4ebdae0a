{#
    A row, a JSON object as text, with what is longer than 200 characters cut: a label's value or
    an array of credits may be a megabyte. Numbers become floating point on the way: to look at,
    never to add up.
#}
{% macro with_short_cells(row) -%}
    {%- set cells = {} -%}
    {%- for name, cell in fromjson(row).items() -%}
        {%- set text = cell if cell is string else tojson(cell) -%}
        {%- do cells.update({name: cell if text | length <= 200 else text[:200] ~ '...'}) -%}
    {%- endfor -%}
    {{ return(tojson(cells)) }}
{%- endmacro %}
