{#
    Keeps name, size and time of the export's files from before the copy, for
    export_files_unchanged: DuckDB has no snapshot of files. A pre-hook of the models that read the
    export, in their transaction. BigQuery's transaction has a snapshot.
#}
{% macro remember_export_files() -%}
    {%- if 'control' not in model.fqn -%}
        {#- ref stands outside what asks for execute: dbt must see it when it parses -#}
        {%- set exports = ref('x_meta_exports') -%}
        {%- if execute and is_dated(graph.nodes[model.unique_id]) and not is_empty_build()
                and 'model.' ~ project_name ~ '.stg_gcp_billing__export' in model.depends_on.nodes -%}
            {{ keep_export_files(exports) }}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}
