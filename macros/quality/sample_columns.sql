{#
    The columns that a sample row shows for one check: those that the check names, then the table's
    grain and the columns that identify a charge. Not all columns: BigQuery bills each one that is
    read. An empty list when the table's YAML names no columns.
#}
{% macro sample_columns(table, grain, condition) -%}
    {%- set helpful = grain + [
        'billing_account_id', 'project_id', 'service_id', 'sku_id', 'currency', 'usage_start_time',
        'usage_date', 'ingestion_date',
    ] -%}
    {%- set named, others = [], [] -%}
    {%- for name in (graph.nodes[table].columns if execute and table in graph.nodes else {}) -%}
        {%- if modules.re.search('\\b' ~ name ~ '\\b', condition) -%}
            {%- do named.append(name) -%}
        {%- elif name in helpful -%}
            {%- do others.append(name) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(named + others) }}
{%- endmacro %}
