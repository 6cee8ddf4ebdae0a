{#
    The name of the model that a test is about: the one its YAML hangs on, else the one that its
    own name begins with, else the first it reads.
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
