{#
    Stops the call when a text export has a value that does not fit Google's type of its column:
    reads all of it, as text has no types. Exports with types are checked by export_faults.
#}
{% macro check_text_export(export) -%}
    {%- set columns = export_columns() -%}
    {%- set values = [] -%}
    {%- set names = {'money': columns.types.FLOAT64 + columns.types.NUMERIC, 'timestamp': columns.types.TIMESTAMP
        + [columns.partition_time], 'text': columns.types.STRING} -%}
    {%- for type, paths in names.items() -%}
        {%- for path in paths if path.split('.')[0] not in columns.repeated and path.rsplit('.', 1)[0] not in columns.repeated -%}
            {%- do values.append(export_field(export, path, type)) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- for path in columns.repeated -%}
        {%- set fields = [] -%}
        {%- for type, documented in columns.types.items() -%}
            {%- for field in documented if field.rsplit('.', 1)[0] == path -%}
                {%- do fields.append((
                    field.rsplit('.', 1)[1], {'FLOAT64': 'money', 'BOOL': 'boolean'}.get(type, 'text')
                )) -%}
            {%- endfor -%}
        {%- endfor -%}
        {%- do values.append(export_list(export, path, fields)) -%}
    {%- endfor -%}
    {%- do run_query(
        'select count(' ~ values | join('), count(') ~ ') from ' ~ export.relation
    ) -%}
{%- endmacro %}
