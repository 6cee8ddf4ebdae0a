{#
    What x_meta_dq_results is to hold of a call: one dict per table and level of severity that was
    tested, by the results of tests and of dated tables, whose proofs ran as they were published. A
    published table holds all its proofs; one that was refused says in its error which failed; after any
    other error, and in what was skipped, nothing was proved. `findings` has what failing tests found,
    by unique id, as far as it was looked up.
#}
{% macro dq_rows(results, findings={}) -%}
    {%- set rows, built = {}, [] -%}
    {%- for result in results if result.node.resource_type == 'model' -%}
        {%- set node = graph.nodes[result.node.unique_id] -%}
        {%- set expected = proof_names(node.unique_id) if is_dated(node) else [] -%}
        {%- if expected -%}
            {%- do built.append(node.unique_id) -%}
            {%- do add_to_dq_row(
                rows, node.name, 'error', node.unique_id, expected, result,
                findings_of_error(result.message)
            ) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- for result in results if result.node.resource_type == 'test' -%}
        {%- set node = result.node -%}
        {%- set is_proved = node.attached_node in built and is_proof(node) -%}
        {%- if not is_proved or result.status | string in ('fail', 'error') -%}
            {%- do add_to_dq_row(
                rows, tested_table(node), node.config.severity | lower, node.unique_id,
                expectations_of_test(node), result, findings.get(node.unique_id), is_proved
            ) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(rows.values() | list) }}
{%- endmacro %}
