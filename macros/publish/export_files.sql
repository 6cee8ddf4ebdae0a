{# A query for name, size and time of last change (a second's resolution) of each of the export's files. #}
{% macro export_files(exports) -%}
    {%- set paths = [] -%}
    {%- for row in run_query('select export_ref from ' ~ exports ~ ' order by export_ref').rows -%}
        {%- set is_landing = row[0].startswith('tenant:') -%}
        {%- do paths.append(quote_text(
            landing_folder(row[0].split(':')[1]) ~ '/[0-9]*.parquet' if is_landing else row[0]
        )) -%}
    {%- endfor -%}
    select filename, size, last_modified from read_blob([{{ paths | join(', ') }}])
{%- endmacro %}
