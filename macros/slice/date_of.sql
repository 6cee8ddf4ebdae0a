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
    {%- elif meta.get('slice_as') == 'timestamp' -%}
        {{ return(utc_date(meta.slice_by)) }}
    {%- endif -%}
    {{ return(meta.slice_by) }}
{%- endmacro %}
