{#
    DuckDB, text: stops the call when a file has a row that is not read, or read as something else: a
    row cut short, a second header, a column under another name. Reads all of each file; Parquet and
    tables are checked by their columns, see export_faults.
#}
{% macro check_rows(export) -%}
    {%- if export.kind == 'csv' -%}
        {%- do check_csv_rows(export) -%}
    {%- endif -%}
    {%- if export.kind in ('csv', 'json') -%}
        {%- do check_text_values(export) -%}
    {%- endif -%}
{%- endmacro %}
