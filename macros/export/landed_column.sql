{# The column of a landing that holds a field of the export, by its dotted path. #}
{% macro landed_column(path) -%}
    {{ 'export_partition_time' if path == export_columns().partition_time
        else path | replace('adjustment_info', 'adjustment') | replace('.', '_') }}
{%- endmacro %}
