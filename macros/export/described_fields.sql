{#
    DuckDB: the columns of a relation and the fields in them, as a dict of their dotted paths and types.
    A record's path is in it, too. The type NULL is that of a column without any value.
#}
{% macro described_fields(relation) -%}
    {%- set fields = {} -%}
    {%- for row in run_query('describe select * from ' ~ relation).rows -%}
        {%- do fields.update({row[0]: row[1]}) -%}
        {%- if '.' not in row[0] -%}
            {%- do fields.update(fields_of_type(row[0], row[1])) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(fields) }}
{%- endmacro %}
