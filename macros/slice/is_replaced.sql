{#
    True for the rows that the model at hand replaces: those of the dates of this call by its
    `slice_by`, a date, or a timestamp where meta.slice_as is `timestamp`; and of a model that
    remembers (`slice_run` in its meta names the column of the run) only the rows that this run
    has written before. Always bounds the date, so that BigQuery prunes.
#}
{% macro is_replaced(prefix='') -%}
    {%- set meta = config.get('meta') or {} -%}
    {%- set column = prefix ~ slice_column() -%}
    {{ in_slice(column) if meta.get('slice_as') == 'timestamp' else date_in_slice(column) }}
    {%- if meta.get('slice_run') %}
    and {{ prefix ~ meta.get('slice_run') }} = {{ quote_text(run_id()) }}
    {%- endif -%}
{%- endmacro %}
