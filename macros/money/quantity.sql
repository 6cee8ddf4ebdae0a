{#
    A quantity that will be summed, fixed point like money: a sum of floats depends on the order
    of the rows, and a rerun would not leave the same figures. Sum it only beside its unit.
#}
{% macro quantity(expression) -%}
    {{ numeric_of_float(expression) }}
{%- endmacro %}
