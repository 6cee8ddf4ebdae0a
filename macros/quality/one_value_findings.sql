{#
    The groups in which a column has several values, with two of them: two currencies in an
    account, two runs in one date (it was appended to, not replaced).
#}
{% macro one_value_findings(model, name, one_value) -%}
    select
        {{ quote_text(name) }} as expectation,
        {{ json_object(one_value.per) }} as key,
        cast(null as {{ engine_type('money') }}) as amount,
        cast(null as {{ engine_type('text') }}) as currency,
        count(*) as failing_rows,
        [{{ json_object(one_value.per + [
            ('one_' ~ one_value.column, 'min(' ~ one_value.column ~ ')'),
            ('another_' ~ one_value.column, 'max(' ~ one_value.column ~ ')'),
        ]) }}] as samples
    from {{ model }}
    group by {{ one_value.per | join(', ') }}
    having count(distinct {{ one_value.column }}) > 1
{%- endmacro %}
