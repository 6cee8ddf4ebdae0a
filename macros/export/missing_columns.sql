{# The required columns that an opened export lacks, as dotted paths. #}
{% macro missing_columns(export) -%}
    {%- set missing = [] -%}
    {%- for path in export_columns().required -%}
        {%- set name = path if export.form == 'typed' else path.split('.')[0] -%}
        {%- if name not in export.fields and path not in missing -%}
            {%- do missing.append(path) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(missing) }}
{%- endmacro %}
