{#
    Returns the query for what a test finds: its own if it has expectations, else one failure with its
    name.
#}
{% macro query_of_failures(test) -%}
    {{ return(
        test.compiled_code if test.test_metadata and test.test_metadata.name == 'expectations'
        else failures_of_test(expectations_of_test(test)[0][0], test.compiled_code)
    ) }}
{%- endmacro %}
