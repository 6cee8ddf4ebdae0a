{# The sum of billed_cost over the days of a group for which a condition is true; null if one of them is not settled. #}
{% macro cost_if_settled(condition) -%}
    case
        when sum(case when {{ condition }} and not is_settled then 1 else 0 end) = 0
            then {{ money('sum(case when ' ~ condition ~ ' then billed_cost end)') }}
    end
{%- endmacro %}
