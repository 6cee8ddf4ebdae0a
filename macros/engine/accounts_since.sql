{#
    True for a partition or usage since a month before the dates of this call (before today, in a call
    without dates); on DuckDB for all, as in exported_since_slice.
#}
{% macro accounts_since(column) -%}
    {{ adapter.dispatch('accounts_since')(column) }}
{%- endmacro %}

{% macro duckdb__accounts_since(column) -%}
    1 = 1
{%- endmacro %}

{% macro bigquery__accounts_since(column) -%}
    {%- set first_date = slice_dates()[0] if has_slice() else run_started_at.strftime('%Y-%m-%d') -%}
    ({{ column }} >= {{ midnight(shift_date(first_date, -31)) }} or {{ column }} is null)
{%- endmacro %}
