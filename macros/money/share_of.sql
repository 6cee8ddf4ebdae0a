{# A part of a whole as a fraction; null where the whole is zero. For people to read, not to sum. #}
{% macro share_of(part, whole) -%}
    cast({{ part }} as {{ engine_type('number') }})
    / nullif(cast({{ whole }} as {{ engine_type('number') }}), 0)
{%- endmacro %}
