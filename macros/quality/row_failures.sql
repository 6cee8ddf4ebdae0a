{#
    Checks of single rows, all in one pass over the table: (name, condition) pairs. One row per
    failed check, with the number of failing rows and some of them.
#}
{% macro row_failures(model, row_checks, table, grain) -%}
    {%- set failed, samples = [], [] -%}
    {%- for name, condition in row_checks -%}
        {%- set columns = sample_columns(table, grain, condition) -%}
        {%- do samples.append(
            'when ' ~ quote_text(name) ~ ' then '
            ~ (json_object(columns) if columns else json_text('tested'))
        ) -%}
        {%- do failed.append('case when not ' ~ condition ~ ' then ' ~ quote_text(name) ~ ' end') -%}
    {%- endfor -%}
    select
        expectation,
        {{ no_key() }},
        count(*) as failing_rows,
        {{ some_of('case expectation ' ~ samples | join(' ') ~ ' end') }} as samples
    from (
        select * from {{ model }}
        where not ({{ row_checks | map(attribute=1) | join(' and ') }})
    ) as tested
    cross join {{ unnested(failed) }}
    where expectation is not null
    group by expectation
{%- endmacro %}
