{#
    The values of some columns in a table, each once. An empty table has one row of nulls, or
    nothing would be compared with it.
#}
{% macro parts_of(model, columns) -%}
    select {{ columns | join(', ') }} from {{ model }} group by {{ columns | join(', ') }}
    union all
    select cast(null as {{ engine_type('text') }}) as {{ columns | join(', cast(null as ' ~ engine_type('text') ~ ') as ') }}
    from (select count(*) as rows_found from {{ model }}) as found
    where rows_found = 0
{%- endmacro %}
