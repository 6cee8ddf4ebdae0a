{#
    The columns of an opened export that Google documents and that a bill can be made without, as
    (path, type); of CSV, whose records are text, the records. None for NDJSON, which leaves nulls
    out: a column that is not there may only have no value today.
#}
{% macro optional_columns(export) -%}
    {%- set columns = export_columns() -%}
    {%- set needed, found = [], [] -%}
    {%- for path in columns.required -%}
        {%- do needed.append(path if export.form == 'typed' else path.split('.')[0]) -%}
    {%- endfor -%}
    {%- set names = columns.documented if export.form == 'typed'
        else columns.known if modules.re.search('[.]csv([.]gz)?$', export.ref) else [] -%}
    {%- for name in names if name in export.fields and name not in needed -%}
        {%- do found.append((name, export.fields[name])) -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}
