{# The date column by which the model at hand is replaced: `slice_by` in its meta. #}
{% macro slice_column() -%}
    {%- set column = (config.get('meta') or {}).get('slice_by') -%}
    {%- if not column -%}
        {%- do exceptions.raise_compiler_error(
            model.name ~ " is replaced by date but names no date column:"
            ~ " set meta.slice_by in its config."
        ) -%}
    {%- endif -%}
    {{ return(column) }}
{%- endmacro %}
