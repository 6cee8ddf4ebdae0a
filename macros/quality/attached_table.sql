{# The unique id of the model that the current test is attached to; none when dbt parses. #}
{% macro attached_table() -%}
    {{ return(model.attached_node if execute else none) }}
{%- endmacro %}
