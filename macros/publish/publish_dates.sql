{#
    The last steps of the transaction that replaces rows of a dated table. First the proof of
    exactly the rows of this call: when it fails, the transaction is rolled back, and the error
    contains what the proof found. Then one row of x_meta_publications for each date. A post-hook of
    every dated model: on DuckDB dbt-duckdb commits after it. On BigQuery the transaction is one
    script (replace_dates), which ends with the same two steps.
#}
{% macro publish_dates() -%}
    {#- refs stand outside the if: dbt must see them when it parses -#}
    {%- set publications = ref('x_meta_publications') -%}
    {%- set exports = ref('x_meta_exports') -%}
    {{ adapter.dispatch('publish_dates')() 
        if execute and is_dated(graph.nodes[model.unique_id]) and not is_empty_build() }}
{%- endmacro %}

{% macro duckdb__publish_dates() -%}
    {%- set findings = proof_findings() -%}
    {%- set reads_export = 'model.' ~ project_name ~ '.stg_gcp_billing__export' in model.depends_on.nodes -%}
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
