{#
    Checks of single rows, all in one pass over the table: (name, condition) pairs. One row per
    check that fails, with how many rows and some of them.
#}
{% macro row_findings(model, row_checks, table, grain) -%}
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

{# The columns of a finding that is about no key. #}
{% macro no_key() -%}
    cast(null as {{ engine_type('text') }}) as key,
        cast(null as {{ engine_type('money') }}) as amount,
        cast(null as {{ engine_type('text') }}) as currency
{%- endmacro %}

{# Texts as rows of one column, `expectation`. #}
{% macro unnested(texts) -%}
    {{ adapter.dispatch('unnested')(texts | join(', ')) }}
{%- endmacro %}

{% macro duckdb__unnested(texts) -%}
    unnest([{{ texts }}]) as failed(expectation)
{%- endmacro %}

{% macro bigquery__unnested(texts) -%}
    unnest([{{ texts }}]) as expectation
{%- endmacro %}

{# At most 5 of a group's texts, as an array. #}
{% macro some_of(text) -%}
    {{ adapter.dispatch('some_of')(text) }}
{%- endmacro %}

{% macro duckdb__some_of(text) -%}
    min({{ text }}, 5)
{%- endmacro %}

{% macro bigquery__some_of(text) -%}
    array_agg({{ text }} limit 5)
{%- endmacro %}
