{# The unique id of the model that the test at hand hangs on. #}
{% macro attached_table() -%}
    {{ return(model.attached_node if execute else none) }}
{%- endmacro %}
