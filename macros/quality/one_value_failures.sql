{#
    The groups in which a column has several values, each with two of them: two currencies in an
    account, or two runs in a date, which was then appended to and not replaced.
#}
{% macro one_value_failures(model, name, one_value) -%}
    select
        {{ quote_text(name) }} as expectation,
        {{ json_object(one_value.per) }} as key,
        {{ no_amount() }},
        rows_of_group as failing_rows,
        [{{ json_object(one_value.per + [
            ('one_' ~ one_value.column, 'one_value'), ('another_' ~ one_value.column, 'another_value')
        ]) }}] as samples
    from (
        select
            {{ one_value.per | join(', ') }},
            count(*) as rows_of_group,
            min({{ one_value.column }}) as one_value,
            max({{ one_value.column }}) as another_value
        from {{ model }}
        group by {{ one_value.per | join(', ') }}
        having count(distinct {{ one_value.column }}) > 1
    ) as several
{%- endmacro %}
