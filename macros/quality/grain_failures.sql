{#
    The keys that several rows share. Two nulls are the same key, as in GROUP BY. Grouped in a query of
    its own: beside the failure's column `currency`, BigQuery would take that for the key's.
#}
{% macro grain_failures(model, name, columns) -%}
    select
        {{ quote_text(name) }} as expectation,
        {{ json_object(columns) }} as key,
        {{ no_amount() }},
        rows_of_key as failing_rows,
        [{{ json_object(columns) }}] as samples
    from (
        select {{ columns | join(', ') }}, count(*) as rows_of_key
        from {{ model }}
        group by {{ columns | join(', ') }}
        having count(*) > 1
    ) as keys
{%- endmacro %}
