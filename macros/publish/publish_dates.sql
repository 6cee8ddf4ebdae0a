{#
    Ends the transaction that replaces a dated table's rows: the proof reads exactly the rows of this
    call and rolls everything back if it finds something; then each date gets a row in
    x_meta_publications. It is a post-hook of all models, and does nothing for those that are not
    dated or hold control rows. On DuckDB dbt-duckdb commits after it. On BigQuery the same steps
    are in one script (replace_dates).
#}
{% macro publish_dates() -%}
    {%- if 'control' not in model.fqn -%}
        {#- refs stand outside what asks for execute: dbt must see them when it parses -#}
        {%- set publications = ref('x_meta_publications') -%}
        {%- set exports = ref('x_meta_exports') -%}
        {%- if execute and is_dated(graph.nodes[model.unique_id]) and not is_empty_build() -%}
            {%- do refuse_other_hooks() -%}
            {{ publish_in_hook() }}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}
