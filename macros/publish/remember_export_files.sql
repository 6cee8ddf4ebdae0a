{#
    Keeps how the export's files look before they are copied, for export_files_unchanged: DuckDB gives
    no snapshot of files. A pre-hook of the models that read the export, in their transaction.
    BigQuery's transaction has a snapshot.
#}
{% macro remember_export_files() -%}
    {#- ref stands outside the if: dbt must see it when it parses -#}
    {%- set exports = ref('x_meta_exports') -%}
    {{ adapter.dispatch('remember_export_files')(exports) if execute and not is_empty_build() }}
{%- endmacro %}

{% macro duckdb__remember_export_files(exports) -%}
    create or replace temporary table export_files_before as {{ export_files(exports) }}
{%- endmacro %}

{% macro bigquery__remember_export_files(exports) -%}
{%- endmacro %}

{#
    A query for name, size and time of last change (a second's resolution) of each of the export's files;
    of a landing's only those of this call's dates, which must_have_landed has seen.
#}
{% macro export_files(exports) -%}
    {%- set paths = [] -%}
    {%- for row in run_query('select export_ref from ' ~ exports ~ ' order by export_ref').rows -%}
        {%- if row[0].startswith('tenant:') -%}
            {%- for date in slice_days() -%}
                {%- do paths.append(
                    quote_text(landing_folder(row[0].split(':')[1]) ~ '/' ~ date ~ '.parquet')
                ) -%}
            {%- endfor -%}
        {%- else -%}
            {%- do paths.append(quote_text(row[0])) -%}
        {%- endif -%}
    {%- endfor -%}
    select filename, size, last_modified from read_blob([{{ paths | join(', ') }}])
{%- endmacro %}
