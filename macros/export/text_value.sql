{#
    A scalar of an export of text (NDJSON, CSV; DuckDB only) as a type. Text has no types that could
    be compared with Google's, so each value is: one that does not fit stops the statement with
    the column's name.
#}
{% macro text_value(export, path, value, type) -%}
    coalesce(
        try_cast({{ value }} as {{ engine_type(type) }}),
        case when {{ value }} is not null then {{ text_fault(export, path, value) }} end
    )
{%- endmacro %}
