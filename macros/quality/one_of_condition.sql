{# True for a row whose column has one of the known values, or is null. #}
{% macro one_of_condition(one_of) -%}
    {%- set known = [] -%}
    {%- for value in one_of['values'] -%}
        {%- do known.append(quote_text(value)) -%}
    {%- endfor -%}
    ({{ one_of.column }} is null or {{ one_of.column }} in ({{ known | join(', ') }}))
{%- endmacro %}
