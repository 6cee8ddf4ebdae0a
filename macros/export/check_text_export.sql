{#
    Stops the call when a text export has a value that does not fit Google's type of its column:
    reads all of it, for only its values tell. What has types is judged by export_faults.
#}
{% macro check_text_export(export) -%}
    {%- set columns = export_columns() -%}
    {%- set values = [export_list(export, 'credits', [('name', 'text'), ('amount', 'money')])] -%}
    {%- for path in ('service.id', 'sku.id', 'project.id', 'invoice.month') -%}
        {%- do values.append(export_field(export, path)) -%}
    {%- endfor -%}
    {%- for type, name in [('FLOAT64', 'money'), ('NUMERIC', 'money'), ('TIMESTAMP', 'moment')] -%}
        {%- for path in columns.types[type] if path != 'credits.amount' -%}
            {%- do values.append(export_field(export, path, name)) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- do run_query(
        'select count(' ~ values | join('), count(') ~ ') from ' ~ export.relation
    ) -%}
{%- endmacro %}
