{# The fields of a struct with their types, as a type says them: {name: type} as engine_type names it. #}
{% macro fields_given(fields) -%}
    {% for name, kind in fields.items() %}{{ name }} {{ engine_type(kind) }}{{ ', ' if not loop.last }}{% endfor %}
{%- endmacro %}
