{#
    dbt's own, but not where the dataset has all that this project deploys: a table keeps the comments
    that the deploying run wrote, and writing them again is a statement for each table. A view is made
    anew, and so are its comments.
#}
{% macro persist_docs(relation, model, for_relation=true, for_columns=true) -%}
    {%- if model.config.materialized == 'view' or not is_deployed() -%}
        {{ return(adapter.dispatch('persist_docs', 'dbt')(relation, model, for_relation, for_columns)) }}
    {%- endif -%}
{%- endmacro %}
