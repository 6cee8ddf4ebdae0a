{# True for a partition of the export that was written in the last week; on DuckDB for all, as in exported_since_slice. #}
{% macro exported_lately() -%}
    {{ adapter.dispatch('exported_lately')() }}
{%- endmacro %}

{% macro duckdb__exported_lately() -%}
    1 = 1
{%- endmacro %}

{% macro bigquery__exported_lately() -%}
    _PARTITIONTIME >= {{ midnight(shift_date(run_started_at.strftime("%Y-%m-%d"), -7)) }}
{%- endmacro %}
