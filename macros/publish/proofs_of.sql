{#
    Returns the tests that are proofs of a table: its generic tests at level error. A test is not a
    proof when its config changes what it reads or counts (`meta.scope: all_dates`, error_if,
    fail_calc, limit): it runs after publishing. The selector `proofs` is the runner's form of this
    rule.
#}
{% macro proofs_of(table) -%}
    {%- set found = [] -%}
    {%- for node in graph.nodes.values()
            if node.resource_type == 'test' and node.attached_node == table and is_proof(node) -%}
        {%- do found.append(node) -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}
