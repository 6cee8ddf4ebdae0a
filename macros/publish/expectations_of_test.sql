{#
    Returns (name, description) of each expectation of a test. A test of another kind counts as one.
#}
{% macro expectations_of_test(test) -%}
    {%- if not test.test_metadata or test.test_metadata.name != 'expectations' -%}
        {{ return([(test.name, test.description | trim)]) }}
    {%- endif -%}
    {%- set found = [] -%}
    {%- for one in test.test_metadata.kwargs.expect -%}
        {%- do found.append((expectation_name(one), expectation_description(one))) -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}
