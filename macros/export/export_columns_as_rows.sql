{#
    Columns of opened exports as rows of (export_ref, column_name, column_type): the `new` ones
    (new_columns) or the `optional` ones (optional_columns). No rows are a query, too.
#}
{% macro export_columns_as_rows(which, exports) -%}
    {%- set rows = [] -%}
    {%- for export in exports -%}
        {%- set found = new_columns(export) if which == 'new' else optional_columns(export) -%}
        {%- for path, type in found -%}
            {%- do rows.append(
                'select ' ~ quote_text(export.ref) ~ ' as export_ref, ' ~ quote_text(path)
                ~ ' as column_name, ' ~ quote_text(type) ~ ' as column_type'
            ) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- if not rows -%}
        {%- do rows.append(
            'select * from (select ' ~ quote_text('') ~ ' as export_ref, ' ~ quote_text('')
            ~ ' as column_name, ' ~ quote_text('') ~ ' as column_type) as none where 1 = 0'
        ) -%}
    {%- endif -%}
    {{ return(rows | join('\n    union all\n    ')) }}
{%- endmacro %}
