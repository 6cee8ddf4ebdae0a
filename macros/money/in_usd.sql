{#
    An amount in US dollars at a charge's own rate (units of its currency per dollar), rounded to
    a nano; null without a rate. For rate 1 the amount itself, so that dollars stay exact.
#}
{% macro in_usd(amount, rate) -%}
    case
        when {{ rate }} = 1 then {{ money(amount) }}
        when {{ rate }} > 0 then {{ divide(amount, numeric_of_float(rate)) }}
    end
{%- endmacro %}
