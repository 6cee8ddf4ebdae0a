{#
    The name of the model that a test is about: the model that it is attached to, else the one whose
    name begins the test's name, else the first one that it reads.
#}
{% macro tested_table(node) -%}
    {%- if node.attached_node -%}
        {{ return(node.attached_node.split('.') | last) }}
    {%- endif -%}
    {%- set read = [] -%}
    {%- for unique_id in node.depends_on.nodes -%}
        {%- do read.append(unique_id.split('.') | last) -%}
    {%- endfor -%}
    {%- for name in read if node.name.startswith(name) -%}
        {{ return(name) }}
    {%- endfor -%}
    {{ return(read | first or '') }}
{%- endmacro %}
