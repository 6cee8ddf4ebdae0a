{#
    What a landing does so that other tenants can read it. On DuckDB, where one process at a time
    opens a file, each date of the call becomes a Parquet file, put in place whole, and an empty
    one when the date is empty. On BigQuery the table itself is read.
#}
{% macro publish_landing() -%}
    {{ adapter.dispatch('publish_landing')() if execute }}
{%- endmacro %}

{% macro duckdb__publish_landing() -%}
    {%- for date in slice_days() %}
    copy (
        select * from {{ this }}
        where
            usage_start_time >= timestamp '{{ date }} 00:00:00'
            and usage_start_time < timestamp '{{ shift_date(date, 1) }} 00:00:00'
    ) to {{ quote_text(landing_folder(tenant_id()) ~ '/' ~ date ~ '.parquet') }} (
        format parquet, use_tmp_file true
    );
    {%- endfor %}
{%- endmacro %}

{% macro bigquery__publish_landing() -%}
{%- endmacro %}
