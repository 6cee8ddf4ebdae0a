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
            {{ adapter.dispatch('publish_dates')() }}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{% macro duckdb__publish_dates() -%}
    {%- set findings = proof_findings() -%}
    {%- set reads_export = 'model.' ~ project_name ~ '.stg_gcp_billing__export' in model.depends_on.nodes -%}
    {#- a first build: later ones are judged before they are inserted -#}
    select error({{ quote_text(foreign_rows()) }})
    from {{ this }}
    where
        not coalesce({{ is_replaced() }}, false)
        and not exists (
            select 1 from {{ ref('x_meta_publications') }}
            where target_table = {{ quote_text(this.identifier) }}
        );
    {%- if reads_export %}

    {{ export_files_unchanged() }}
    {%- endif %}
    {%- if findings is not none %}

    select error('not published <findings>' || found.findings || '</findings>')
    from ({{ findings_text(findings) }}) as found (findings)
    where found.findings is not null;
    {%- endif %}
    {%- if reads_export %}

    {{ export_files_unchanged() }}
    {%- endif %}

    {{ publications_of_call() }}
{%- endmacro %}

{% macro bigquery__publish_dates() -%}
{%- endmacro %}
