{#
    The values of some columns of a table, each once. An empty table gives one row of nulls, because
    without a row the other table would be compared with nothing.
#}
{% macro parts_of(model, columns) -%}
    select {{ columns | join(', ') }} from {{ model }} group by {{ columns | join(', ') }}
    union all
    select cast(null as {{ engine_type('text') }}) as {{ columns | join(', cast(null as ' ~ engine_type('text') ~ ') as ') }}
    from (select count(*) as rows_found from {{ model }}) as found
    where rows_found = 0
{%- endmacro %}
