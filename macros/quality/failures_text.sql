{#
    Failures as one JSON text, for a query's `select`: for each failed expectation its name, the
    number of failing rows and up to 5 samples, cut so that the text stays below 8 KB (of rows in other
    scripts than Latin it may be a little more). Null when there are no failures. Rows that were
    rolled back can be seen nowhere else.
#}
{% macro failures_text(failures) -%}
    select
        '[' || string_agg(
            '{"expectation": ' || {{ json_text('expectation') }}
            || ', "failing_rows": ' || cast(failing_rows as {{ engine_type('text') }})
            || ', "samples": ' || {{ json_text('samples') }} || '}',
            ', ' order by expectation
        ) || ']'
    from (
        select
            expectation,
            failing_rows,
            {{ cut_texts('samples', 'sample_length') }} as samples
        from (
            select
                expectation,
                sum(failing_rows) as failing_rows,
                {{ some_of_all('samples') }} as samples,
                cast(least(400, greatest(20, 900 / count(*) over ())) as bigint) as sample_length
            from (
                {{ failures }}
            ) as failures
            group by expectation
        ) as expectations
    ) as short
{%- endmacro %}
