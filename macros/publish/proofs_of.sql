{#
    The tests that are a table's proof: its own generic tests at level error. Not those that say
    otherwise of what they look at or count (`meta.scope: all_dates`, error_if, fail_calc, limit):
    they run after publishing. The selector `proofs` names the same tests for the runner.
#}
{% macro proofs_of(table) -%}
    {%- set found = [] -%}
    {%- for node in graph.nodes.values()
            if node.resource_type == 'test' and node.attached_node == table and is_proof(node) -%}
        {%- do found.append(node) -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}
