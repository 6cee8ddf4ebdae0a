{#
    The columns of an opened export that Google did not document when this was written, as
    (path, type). No model reads them, so they change no bill; they should be reviewed.
    Of a record, its fields are listed, not the record.
#}
{% macro new_columns(export) -%}
    {%- set columns = export_columns() -%}
    {%- set documented = (columns.known if export.form == 'text' else columns.documented)
        + [columns.partition_time] -%}
    {%- set found = [] -%}
    {%- for path, type in export.fields.items() if path not in documented -%}
        {%- set deeper = [] -%}
        {%- for other in documented + export.fields | list if other.startswith(path ~ '.') -%}
            {%- do deeper.append(other) -%}
        {%- endfor -%}
        {%- if not deeper -%}
            {%- do found.append((path, type)) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}
