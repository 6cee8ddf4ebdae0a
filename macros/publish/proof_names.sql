{# Returns (name, description) of each expectation in the proofs of a table. #}
{% macro proof_names(table) -%}
    {%- set found = [] -%}
    {%- for test in proofs_of(table) -%}
        {%- do found.extend(expectations_of_test(test)) -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}
