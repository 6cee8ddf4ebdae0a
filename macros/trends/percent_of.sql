{#
    A change in percent of what it changed from, to two decimals; null where that is 0. The base
    counts without its sign, so that more cost is always above zero.
#}
{% macro percent_of(change, base) -%}
    {{ money('round(100 * ' ~ divide(change, 'abs(' ~ base ~ ')') ~ ', 2)') }}
{%- endmacro %}
