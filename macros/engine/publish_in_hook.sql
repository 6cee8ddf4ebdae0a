{#
    The proof and the publication of a dated table, after its rows were replaced: on DuckDB statements of
    the post-hook, in the transaction that dbt-duckdb commits after it. On BigQuery nothing: replace_dates
    has sent them.
#}
{% macro publish_in_hook() -%}
    {{ adapter.dispatch('publish_in_hook')() }}
{%- endmacro %}

{% macro duckdb__publish_in_hook() -%}
    {%- set failures = proof_failures() -%}
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
    {%- if failures is not none %}

    select error('not published <failures>' || found.failures || '</failures>')
    from ({{ failures_text(failures) }}) as found (failures)
    where found.failures is not null;
    {%- endif %}
    {%- if reads_export %}

    {{ export_files_unchanged() }}
    {%- endif %}

    {{ publications_of_call() }}
{%- endmacro %}

{% macro bigquery__publish_in_hook() -%}
{%- endmacro %}
