{#
    Every model is in the tenant's own dataset, named as the tenant; a model that names a schema of its
    own (the central `tenants`) is there.

    Shadows generate_schema_name of dbt because that macro puts all models into the schema of the
    profile, which is the same for all tenants.
#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ custom_schema_name | trim if custom_schema_name else tenant_id() }}
{%- endmacro %}
