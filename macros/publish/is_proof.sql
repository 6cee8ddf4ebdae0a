{# True for a test that is a proof of a dated table, see proofs_of. #}
{% macro is_proof(node) -%}
    {%- set config = node.config -%}
    {{ return(
        node.test_metadata is defined
        and node.test_metadata is not none
        and node.attached_node is not none
        and is_dated(graph.nodes[node.attached_node])
        and config.severity | lower == 'error'
        and (config.meta or {}).get('scope') != 'all_dates'
        and config.error_if == '!= 0'
        and config.fail_calc in ('count(*)', 'count(distinct expectation)')
    ) }}
{%- endmacro %}
