{# A query with the columns of failures and no row, for an expectation that has nothing to read. #}
{% macro no_failures(name) -%}
    select
        {{ quote_text(name) }} as expectation,
        {{ no_key() }},
        0 as failing_rows,
        [{{ quote_text('') }}] as samples
    from (select 1 as one_row) as nothing
    where one_row = 0
{%- endmacro %}
