{# The amount and currency of a failure that is not about money. #}
{% macro no_amount() -%}
    cast(null as {{ engine_type('money') }}) as amount,
        cast(null as {{ engine_type('text') }}) as currency
{%- endmacro %}
