{# What a test that is not `expectations` finds, as one failure with the test's name. #}
{% macro failures_of_test(name, query) -%}
    select
        {{ quote_text(name) }} as expectation,
        {{ no_key() }},
        count(*) as failing_rows,
        {{ some_of(json_text('found')) }} as samples
    from ({{ query }}) as found
    having count(*) > 0
{%- endmacro %}
