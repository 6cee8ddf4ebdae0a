{# The key columns of a failure that has no key. #}
{% macro no_key() -%}
    cast(null as {{ engine_type('text') }}) as key,
        {{ no_amount() }}
{%- endmacro %}
