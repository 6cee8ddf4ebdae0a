{#
    Writes the comments of a relation and its columns, but not those of a table in a dataset that has
    all that this project deploys: the table keeps the comments that the deploying run wrote. A view's
    comments are written whenever it is created.

    Shadows persist_docs of dbt because that macro writes the comments in every run: one more statement
    for each table.
#}
{% macro persist_docs(relation, model, for_relation=true, for_columns=true) -%}
    {%- if model.config.materialized == 'view' or not is_deployed() -%}
        {{ return(adapter.dispatch('persist_docs', 'dbt')(relation, model, for_relation, for_columns)) }}
    {%- endif -%}
{%- endmacro %}
