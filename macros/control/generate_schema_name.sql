{#
    Every model lives in the tenant's own dataset, named as the tenant; only a model that
    names a schema of its own (the central `tenants`) lives elsewhere.
#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ custom_schema_name | trim if custom_schema_name else tenant_id() }}
{%- endmacro %}
