{# The key columns of a finding that has no key. #}
{% macro no_key() -%}
    cast(null as {{ engine_type('text') }}) as key,
        {{ no_amount() }}
{%- endmacro %}
