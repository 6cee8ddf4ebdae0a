{# True when the call names dates. Tests may run without: then they read all that is loaded. #}
{% macro has_slice() -%}
    {{ return(not execute or var('date', none) is not none or var('from_date', none) is not none) }}
{%- endmacro %}
