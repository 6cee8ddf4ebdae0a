{# The keys that several rows share. Two nulls are the same key, as in GROUP BY. #}
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
