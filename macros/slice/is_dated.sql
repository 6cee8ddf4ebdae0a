{# Whether a node of dbt's graph is a table that is replaced by date. #}
{% macro is_dated(node) -%}
    {{ return(
        node is not none and node is defined and node.resource_type == 'model'
        and node.config.materialized == 'incremental'
        and node.config.incremental_strategy in ('slice', 'insert_overwrite')
        and (node.config.meta or {}).get('slice_by') is not none
    ) }}
{%- endmacro %}
