{# The key columns of a finding that has no key. #}
{% macro no_key() -%}
    cast(null as {{ engine_type('text') }}) as key,
        cast(null as {{ engine_type('money') }}) as amount,
        cast(null as {{ engine_type('text') }}) as currency
{%- endmacro %}
