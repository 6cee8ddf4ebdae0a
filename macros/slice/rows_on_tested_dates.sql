{# The rows of a relation on the dates of this call, if it is of a dated table; else all of them. #}
{% macro rows_on_tested_dates(relation, table) -%}
    {%- if execute and is_dated(graph.nodes[table]) -%}
        {{ return('(select * from ' ~ relation ~ ' where ' ~ on_tested_dates(table) ~ ') as dbt_subquery') }}
    {%- endif -%}
    {{ return(relation) }}
{%- endmacro %}
