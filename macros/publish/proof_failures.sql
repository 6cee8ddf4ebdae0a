{#
    A query for what the proofs of the current model find wrong in its rows of this call, with the
    columns of expectation_failures. A generic test of another kind counts as one expectation with
    the test's name. Returns none when the model has no proof.
#}
{% macro proof_failures() -%}
    {%- set queries = [] -%}
    {%- for test in proofs_of(model.unique_id) -%}
        {%- set arguments = {} -%}
        {%- for name, value in test.test_metadata.kwargs.items() if name != 'model' -%}
            {%- do arguments.update({name: rendered(value)}) -%}
        {%- endfor -%}
        {%- set rows = rows_on_tested_dates(rows_where(this, test.config.where), model.unique_id) -%}
        {%- if test.test_metadata.name == 'expectations' -%}
            {%- do queries.append(
                expectation_failures(rows, arguments.expect, model.unique_id, in_transaction=true)
            ) -%}
        {%- else -%}
            {%- do arguments.update({'model': rows}) -%}
            {%- set macros = context[test.test_metadata.namespace] if test.test_metadata.namespace else context -%}
            {%- set query = macros['test_' ~ test.test_metadata.name](**arguments) -%}
            {%- do queries.append(failures_of_test(test.name, query)) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(queries | join('\n\nunion all\n\n') or none) }}
{%- endmacro %}
