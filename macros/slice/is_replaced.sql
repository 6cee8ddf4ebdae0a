{#
    True for the rows that the model at hand replaces: those of the dates of this call, and of
    a model that remembers (`slice_run` in its meta names the column of the run) only the rows
    that this run has written before. Always bounds the date, so that BigQuery prunes.
#}
{% macro is_replaced(prefix='') -%}
    {%- set run_column = (config.get('meta') or {}).get('slice_run') -%}
    {{ date_in_slice(prefix ~ slice_column()) }}
    {%- if run_column %}
    and {{ prefix ~ run_column }} = {{ quote_text(run_id()) }}
    {%- endif -%}
{%- endmacro %}
