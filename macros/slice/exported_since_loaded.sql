{#
    For tests without dates: true for a partition of the export that can hold charges of the dates
    that are loaded. The bound is looked up and written as a literal, so that engines prune.
#}
{% macro exported_since_loaded(column, loaded, days_before=8) -%}
    {%- set first = '1970-01-01' -%}
    {%- if execute and load_relation(loaded) is not none -%}
        {%- set found = run_query(
            "select min(ingestion_date) as first_date from " ~ loaded
            ~ " where ingestion_date >= date '1970-01-01'"
        ).columns[0].values()[0] -%}
        {%- set first = (found or first) | string -%}
    {%- endif -%}
    (
        {{ column }} >= timestamp '{{ shift_date(first[:10], -days_before) }} 00:00:00'
        or {{ column }} is null
    )
{%- endmacro %}
