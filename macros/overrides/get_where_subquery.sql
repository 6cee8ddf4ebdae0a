{#
    Allows `in_slice(<date column>)` in the `where` of a test, see rows_where.

    Shadows get_where_subquery of dbt because that macro has only the YAML's text as dbt parsed it,
    and the dates of a call are known later.
#}
{% macro get_where_subquery(relation) -%}
    {{ return(rows_where(relation, config.get('where', ''))) }}
{%- endmacro %}
