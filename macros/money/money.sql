{#
    An amount of money: fixed point, 38 digits, 9 of them decimals. Each row is cast before
    anything is summed: sums of floats drift, and so would the bill.
#}
{% macro money(expression) -%}
    cast({{ expression }} as {{ engine_type('money') }})
{%- endmacro %}
