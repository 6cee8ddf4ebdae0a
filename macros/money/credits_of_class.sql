{# The sum of the credits of one class (see credit_class) over a charge's credits, 0 for none. #}
{% macro credits_of_class(class) -%}
    {{ sum_money('credits', 'amount', credit_class('item.type') ~ " = '" ~ class ~ "'") }}
{%- endmacro %}
