{# The relation of a model in the warehouse by its unique id; none when it was not built yet. #}
{% macro relation_of(unique_id) -%}
    {%- set node = graph.nodes[unique_id] -%}
    {{ return(adapter.get_relation(
        database=node.database, schema=node.schema, identifier=node.alias
    )) }}
{%- endmacro %}
