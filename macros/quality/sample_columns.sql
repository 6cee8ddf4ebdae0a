{#
    The columns that a sample row of a table shows: those that its checks name, its grain, and
    what tells charges apart. Not all: engines bill each column that is read. None when the
    table's YAML names no columns.
#}
{% macro sample_columns(table, grains, row_checks) -%}
    {%- set text = row_checks | map(attribute=1) | join(' ') -%}
    {%- set helpful = [
        'billing_account_id', 'project_id', 'service_id', 'sku_id', 'currency', 'usage_start_time',
        'usage_date', 'ingestion_date',
    ] -%}
    {%- set shown = [] -%}
    {%- for name in (graph.nodes[table].columns if execute and table in graph.nodes else {}) -%}
        {%- if name in grains or name in helpful or modules.re.search('\\b' ~ name ~ '\\b', text) -%}
            {%- do shown.append(name) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(shown) }}
{%- endmacro %}
