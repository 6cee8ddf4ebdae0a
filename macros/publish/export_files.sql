{#
    A query for the name, size and time of last change (to the second) of each file of the export; of a
    landing only those of this call's dates, which require_landed_dates has seen.
#}
{% macro export_files(exports) -%}
    {%- set paths = [] -%}
    {%- for row in run_query('select export_ref from ' ~ exports ~ ' order by export_ref').rows -%}
        {%- if row[0].startswith('tenant:') -%}
            {%- for date in slice_days() -%}
                {%- do paths.append(
                    quote_text(glob_text(landing_folder(row[0].split(':')[1]) ~ '/' ~ date ~ '.parquet'))
                ) -%}
            {%- endfor -%}
        {%- else -%}
            {%- do paths.append(quote_text(export_pattern(row[0]))) -%}
        {%- endif -%}
    {%- endfor -%}
    select filename, size, last_modified from read_blob([{{ paths | join(', ') }}])
{%- endmacro %}
