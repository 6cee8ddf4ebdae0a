{# True for the rows of a dated table on the dates of this call; on any date when the call names none. #}
{% macro on_tested_dates(table) -%}
    {%- set meta = graph.nodes[table].config.meta -%}
    {%- if meta.get('slice_as') != 'timestamp' -%}
        {{ return(date_in_tested_slice(meta.slice_by)) }}
    {%- elif has_slice() -%}
        {{ return(in_slice(meta.slice_by)) }}
    {%- endif -%}
    {{ return("(" ~ meta.slice_by ~ " >= " ~ midnight('1970-01-01') ~ ")") }}
{%- endmacro %}
