{#
    Returns what x_meta_dq_results holds of a call: one dict per table and level of severity that
    was tested. It comes from the results of tests, and from those of dated tables, whose proofs run
    while they are published. A published table has passed all its proofs. The error of a table that
    was not published names the expectations that failed. After any other error, and for a table
    that was skipped, nothing was tested. `failures`: by unique id, what failing tests found, as far
    as known.
#}
{% macro dq_rows(results, failures={}) -%}
    {%- set rows, built = {}, [] -%}
    {%- for result in results if result.node.resource_type == 'model' -%}
        {%- set node = graph.nodes[result.node.unique_id] -%}
        {%- set expected = proof_names(node.unique_id) if is_dated(node) else [] -%}
        {%- if expected -%}
            {%- do built.append(node.unique_id) -%}
            {%- do add_to_dq_row(
                rows, node.name, 'error', node.unique_id, expected, result,
                failures_of_error(result.message)
            ) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- for result in results if result.node.resource_type == 'test' -%}
        {%- set node = result.node -%}
        {%- set is_proved = node.attached_node in built and is_proof(node) -%}
        {%- if not is_proved or result.status | string in ('fail', 'error') -%}
            {%- do add_to_dq_row(
                rows, tested_table(node), node.config.severity | lower, node.unique_id,
                expectations_of_test(node), result, failures.get(node.unique_id), is_proved
            ) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(rows.values() | list) }}
{%- endmacro %}
