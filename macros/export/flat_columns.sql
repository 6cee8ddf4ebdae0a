{#
    Fields of records that are columns of their own, such as a column named service.id, among an
    export's columns by their names.
#}
{% macro flat_columns(fields) -%}
    {%- set flat = [] -%}
    {%- for path in export_columns().documented
            if '.' in path and path in fields and path.split('.')[0] not in fields -%}
        {%- do flat.append(path) -%}
    {%- endfor -%}
    {{ return(flat) }}
{%- endmacro %}
