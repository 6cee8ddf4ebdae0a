{#
    One amount by another, as fixed point: null where there is nothing to divide by. A share of
    nothing is not known, and neither is the cost of no unit.
#}
{% macro safe_divide(dividend, divisor) -%}
    {{ money(quotient(dividend, divisor)) }}
{%- endmacro %}
