{#
    The keys that have several rows. Nulls count as equal, for a null in a key groups like any value.
    Grouped within, for BigQuery would take a column `currency` of the key for the finding's own.
#}
{% macro grain_findings(model, name, columns) -%}
    select
        {{ quote_text(name) }} as expectation,
        {{ json_object(columns) }} as key,
        cast(null as {{ engine_type('money') }}) as amount,
        cast(null as {{ engine_type('text') }}) as currency,
        rows_of_key as failing_rows,
        [{{ json_object(columns) }}] as samples
    from (
        select {{ columns | join(', ') }}, count(*) as rows_of_key
        from {{ model }}
        group by {{ columns | join(', ') }}
        having count(*) > 1
    ) as keys
{%- endmacro %}
