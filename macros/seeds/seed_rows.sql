{#
    The rows of a seed that are this tenant's, as a query, also when there are none. Every value
    is cast to the type that the seed's YAML declares, so each column needs one there.
#}
{% macro seed_rows(model, agate_table) -%}
    {%- set types = model['config'].get('column_types', {}) -%}
    {%- set names = agate_table.column_names | list -%}
    {%- for name in names if name not in types -%}
        {%- do exceptions.raise_compiler_error(
            'The column ' ~ name ~ ' of the seed ' ~ model['name']
            ~ ' has no type: declare it in its YAML, under config: column_types.'
        ) -%}
    {%- endfor -%}
    {%- set rows = [] -%}
    {%- for row in agate_table.rows if row[names.index('tenant_id')] == tenant_id() -%}
        {%- set values = [] -%}
        {%- for name in names -%}
            {%- do values.append('cast(' ~ quote_text(row[loop.index0]) ~ ' as ' ~ types[name] ~ ')') -%}
        {%- endfor -%}
        {%- do rows.append('(' ~ values | join(', ') ~ ')') -%}
    {%- endfor -%}
    {{ return(values_as_rows(names, types, rows)) }}
{%- endmacro %}
