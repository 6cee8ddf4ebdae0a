{#
    True for a field that is read as a float (DuckDB only): in an export with types by its type; in one of
    text by Google's, for BigQuery loads FLOAT64 from text, and casts that.
#}
{% macro is_float(export, path) -%}
    {%- if export.form == 'text' -%}
        {{ return(path in export_columns().types['FLOAT64']) }}
    {%- endif -%}
    {{ return(export.fields.get(path) in ['DOUBLE', 'FLOAT']) }}
{%- endmacro %}
