{# The name of the model that a test is about: the one its YAML hangs on, else the first it reads. #}
{% macro tested_table(node) -%}
    {%- set about = node.attached_node or (node.depends_on.nodes | list + ['']) | first -%}
    {{ return(about.split('.') | last) }}
{%- endmacro %}
