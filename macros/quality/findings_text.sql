{#
    Findings as one JSON text, for a query's `select`: for each failed expectation its name, the
    number of failing rows and up to 5 samples, cut so that the text stays below 8 KB (of rows in other
    scripts than Latin it may be a little more). Null when there are no findings. Rows that were
    rolled back can be seen nowhere else.
#}
{% macro findings_text(findings) -%}
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
            {{ adapter.dispatch('cut_texts')('samples', 'sample_length') }} as samples
        from (
            select
                expectation,
                sum(failing_rows) as failing_rows,
                {{ adapter.dispatch('some_of_all')('samples') }} as samples,
                cast(least(400, greatest(20, 900 / count(*) over ())) as bigint) as sample_length
            from (
                {{ findings }}
            ) as findings
            group by expectation
        ) as expectations
    ) as short
{%- endmacro %}

{% macro duckdb__some_of_all(arrays) -%}
    flatten(list({{ arrays }} order by key))[1:5]
{%- endmacro %}

{% macro bigquery__some_of_all(arrays) -%}
    array_concat_agg({{ arrays }} order by key limit 5)
{%- endmacro %}

{% macro duckdb__cut_texts(array, length) -%}
    list_transform({{ array }}, lambda item: left(item, {{ length }}))
{%- endmacro %}

{% macro bigquery__cut_texts(array, length) -%}
    array(
        select left(item, {{ length }})
        from unnest({{ array }}) as item with offset as place
        where place < 5
        order by place
    )
{%- endmacro %}
