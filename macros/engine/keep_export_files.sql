{# Keeps name, size and time of the export's files for export_files_unchanged; BigQuery's exports are tables. #}
{% macro keep_export_files(exports) -%}
    {{ adapter.dispatch('keep_export_files')(exports) }}
{%- endmacro %}

{% macro duckdb__keep_export_files(exports) -%}
    create or replace temporary table export_files_before as {{ export_files(exports) }}
{%- endmacro %}

{% macro bigquery__keep_export_files(exports) -%}
{%- endmacro %}
