{# The expectations that a table's proofs hold it to: (name, description) of each. #}
{% macro proof_names(table) -%}
    {%- set found = [] -%}
    {%- for test in proofs_of(table) -%}
        {%- do found.extend(expectations_of_test(test)) -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}
