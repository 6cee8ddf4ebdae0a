{#
    The dates of this call for which the table has no row. Without dates in the call nothing is
    tested.
#}
{% macro every_date_failures(model, name, table) -%}
    {%- set dates = slice_dates() if has_slice() else ['1970-01-01', '1970-01-01'] -%}
    select
        {{ quote_text(name) }} as expectation,
        {{ json_object(['usage_date']) }} as key,
        {{ no_amount() }},
        1 as failing_rows,
        [{{ json_object(['usage_date']) }}] as samples
    from (select date '{{ dates[0] }}' as first_date, date '{{ dates[1] }}' as last_date) as asked
    cross join {{ each_date('first_date', 'last_date') }}
    where
        {{ has_slice() | lower }}
        and usage_date not in (select {{ date_of(table) }} from {{ model }})
{%- endmacro %}
