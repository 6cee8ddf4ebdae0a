{#
    The short id that stands for an export in each row of the bill: eight hex digits of its name. x_meta_exports
    has the name beside it; `Export.id` in runner/control/tenants.py is the same.
#}
{% macro export_id(ref) -%}
    {{ return(local_md5(ref)[:8]) }}
{%- endmacro %}
