{# Returns the names of the dated tables that a model reads, directly or through views, in order. #}
{% macro read_tables(unique_id) -%}
    {%- set names = [] -%}
    {%- for other in graph.nodes[unique_id].depends_on.nodes if other in graph.nodes -%}
        {%- set node = graph.nodes[other] -%}
        {%- if is_dated(node) -%}
            {%- do names.append(node.alias) -%}
        {%- elif node.resource_type == 'model' -%}
            {%- do names.extend(read_tables(other)) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(names | unique | sort) }}
{%- endmacro %}
