{#
    The columns of a failure that is one row and not about money: its key, and as a sample the same columns
    or those that are given.
#}
{% macro one_failure(name, key, sample=none) -%}
    {{ quote_text(name) }} as expectation,
        {{ json_object(key) }} as key,
        {{ no_amount() }},
        1 as failing_rows,
        [{{ json_object(sample or key) }}] as samples
{%- endmacro %}
