{#
    SQL for the usage date of a dated table's rows (`slice_by` in its meta); none for any other
    model. `table` is its name or its unique id.
#}
{% macro date_of(table) -%}
    {%- if not execute or not table -%}
        {{ return('usage_date') }}
    {%- endif -%}
    {%- set unique_id = table if '.' in table else 'model.' ~ project_name ~ '.' ~ table -%}
    {%- set meta = (graph.nodes.get(unique_id) or {}).get('config', {}).get('meta') or {} -%}
    {%- if not is_dated(graph.nodes.get(unique_id)) -%}
        {{ return(none) }}
    {%- elif meta.get('slice_as') == 'moment' -%}
        {{ return('cast(' ~ meta.slice_by ~ ' as date)') }}
    {%- endif -%}
    {{ return(meta.slice_by) }}
{%- endmacro %}

{# Whether a node of dbt's graph is a table that is replaced by date. #}
{% macro is_dated(node) -%}
    {{ return(
        node is not none and node is defined and node.resource_type == 'model'
        and node.config.materialized == 'incremental'
        and (node.config.meta or {}).get('slice_by') is not none
    ) }}
{%- endmacro %}

{# True for the rows of a dated table on the dates of this call; on any date when the call names none. #}
{% macro on_tested_dates(table) -%}
    {%- set meta = graph.nodes[table].config.meta -%}
    {%- if meta.get('slice_as') != 'moment' -%}
        {{ return(date_in_tested_slice(meta.slice_by)) }}
    {%- elif has_slice() -%}
        {{ return(in_slice(meta.slice_by)) }}
    {%- endif -%}
    {{ return("(" ~ meta.slice_by ~ " >= timestamp '1970-01-01 00:00:00')") }}
{%- endmacro %}
