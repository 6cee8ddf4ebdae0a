{#
    For tests without dates: true for a partition of the export that can hold charges of the dates
    that a dated table has. A query finds the bound first; it becomes a literal, so that engines
    prune. On DuckDB true for all, see exported_since_slice.
#}
{% macro exported_since_loaded(column, table, days_before=8) -%}
    {{ adapter.dispatch('exported_since_loaded')(column, table, days_before) }}
{%- endmacro %}

{% macro duckdb__exported_since_loaded(column, table, days_before) -%}
    1 = 1
{%- endmacro %}

{% macro bigquery__exported_since_loaded(column, table, days_before) -%}
    {%- set first = '1970-01-01' -%}
    {%- set loaded = relation_of(table) if execute else none -%}
    {%- if loaded is not none -%}
        {%- set found = run_query(
            'select min(' ~ date_of(table) ~ ') as first_date from ' ~ loaded
            ~ ' where ' ~ on_tested_dates(table)
        ).columns[0].values()[0] -%}
        {%- set first = (found or first) | string -%}
    {%- endif -%}
    (
        {{ column }} >= {{ midnight(shift_date(first[:10], -days_before)) }}
        or {{ column }} is null
    )
{%- endmacro %}
