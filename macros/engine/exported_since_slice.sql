{#
    True for a partition of the export that can hold charges of this call's dates: from some
    days before the first date (the partition label may lag UTC by a day) up to now, with no
    upper end, since corrections come weeks later. Rows still in BigQuery's streaming buffer
    have no label and are read. On DuckDB true for every row: files are read completely anyway, and their labels
    may be of a month, as those of a table that was downloaded.
#}
{% macro exported_since_slice(column, days_before=1) -%}
    {{ adapter.dispatch('exported_since_slice')(column, days_before) }}
{%- endmacro %}

{% macro duckdb__exported_since_slice(column, days_before) -%}
    1 = 1
{%- endmacro %}

{% macro bigquery__exported_since_slice(column, days_before) -%}
    {%- set dates = slice_dates() -%}
    (
        {{ column }} >= {{ midnight(shift_date(dates[0], -days_before)) }}
        or {{ column }} is null
    )
{%- endmacro %}
