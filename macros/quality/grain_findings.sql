{# The keys that have several rows. Nulls count as equal, for a null in a key groups like any value. #}
{% macro grain_findings(model, name, columns) -%}
    select
        {{ quote_text(name) }} as expectation,
        {{ json_object(columns) }} as key,
        cast(null as {{ engine_type('money') }}) as amount,
        cast(null as {{ engine_type('text') }}) as currency,
        count(*) as failing_rows,
        [{{ json_object(columns) }}] as samples
    from {{ model }}
    group by {{ columns | join(', ') }}
    having count(*) > 1
{%- endmacro %}
