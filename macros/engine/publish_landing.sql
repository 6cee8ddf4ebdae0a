{#
    What a landing does so that other tenants can read it, after the commit of its table: nothing of
    a run that is rolled back is ever in a file. On DuckDB, where one process at a time opens a file,
    each date of the call becomes a Parquet file, an empty one when the date is empty, renamed into
    place when it is complete. It names the run that wrote it. The last file names the run that published
    each date: a run that was killed before has left files that it does not name, see
    require_landed_files. On BigQuery the table itself is read.
#}
{% macro publish_landing() -%}
    {{ adapter.dispatch('publish_landing')() if execute }}
{%- endmacro %}

{% macro duckdb__publish_landing() -%}
    {%- set folder = landing_folder(tenant_id()) -%}
    {%- if is_empty_build() %}
    {#- no date: for the views of those that will read it #}
    copy (select * from {{ this }} where false) to {{ quote_text(folder ~ '/0.parquet') }} (
        format parquet, use_tmp_file true
    );
    {%- else %}
    {%- for date in slice_days() %}
    copy (
        select * from {{ this }}
        where
            usage_start_time >= {{ midnight(date) }}
            and usage_start_time < {{ midnight(shift_date(date, 1)) }}
    ) to {{ quote_text(folder ~ '/' ~ date ~ '.parquet') }} (
        format parquet, use_tmp_file true, kv_metadata {pipeline_logging_id: {{ quote_text(run_id()) }}}
    );
    {%- endfor %}
    copy (
        select usage_date, arg_max(pipeline_logging_id, published_at) as pipeline_logging_id
        from {{ ref('x_meta_publications') }}
        where target_table = {{ quote_text(this.identifier) }}
        group by usage_date
    ) to {{ quote_text(folder ~ '/published.parquet') }} (format parquet, use_tmp_file true);
    {%- endif %}
{%- endmacro %}

{% macro bigquery__publish_landing() -%}
{%- endmacro %}
