{#
    A landing, `tenant:NAME`, opened as an export: the table export_landing of that tenant, on DuckDB
    the Parquet files that publish_landing wrote. Its rows have the columns of
    stg_gcp_billing__export already, so they are only picked by tenant.
#}
{% macro read_landing(ref) -%}
    {%- set name = ref.split(':')[1] -%}
    {%- if not modules.re.fullmatch('[a-z][a-z0-9_]{0,62}', name) -%}
        {%- do exceptions.raise_compiler_error("The export '" ~ ref ~ "' names no tenant.") -%}
    {%- endif -%}
    {{ return({
        'ref': ref, 'relation': adapter.dispatch('landed_rows')(name), 'form': 'landed',
        'fields': {}, 'has_partitions': true,
    }) }}
{%- endmacro %}

{% macro duckdb__landed_rows(name) -%}
    {{- must_have_landed(name) if execute and has_slice() -}}
    {#- not the temporary file that a running landing writes -#}
    read_parquet({{ quote_text(landing_folder(name) ~ '/[0-9]*.parquet') }}, union_by_name = true)
{%- endmacro %}

{% macro bigquery__landed_rows(name) -%}
    {{ api.Relation.create(database=target.database, schema=name, identifier='export_landing') }}
{%- endmacro %}

{#
    Stops the call when a date of it has no file in the landing: an empty date has an empty one, so
    what is not there was lost or never landed, and a bill made from the rest would lack its charges.
#}
{% macro must_have_landed(name) -%}
    {%- set day = modules.datetime.timedelta(days=1) -%}
    {%- set dates = slice_dates() -%}
    {%- set first = modules.datetime.date.fromisoformat(dates[0]) -%}
    {%- set last = modules.datetime.date.fromisoformat(dates[1]) -%}
    {%- set folder = landing_folder(name) ~ '/' -%}
    {%- set files = [] -%}
    {%- for row in run_query(
        'select file from glob(' ~ quote_text(folder ~ '[0-9]*.parquet') ~ ')'
    ).rows -%}
        {%- do files.append(row[0]) -%}
    {%- endfor -%}
    {%- set lost = [] -%}
    {%- for n in range((last - first).days + 1) -%}
        {%- set date = (first + n * day).isoformat() -%}
        {%- do lost.append(date) if folder ~ date ~ '.parquet' not in files -%}
    {%- endfor -%}
    {%- if lost -%}
        {%- do exceptions.raise_compiler_error(
            "The landing " ~ name ~ " has no file of " ~ lost[0]
            ~ (" and " ~ (lost | length - 1) ~ " more dates up to " ~ lost[-1] if lost | length > 1 else "")
            ~ " in " ~ folder ~ ": run `runner run --tenant " ~ name ~ " --from " ~ lost[0]
            ~ " --to " ~ lost[-1] ~ "` first."
        ) -%}
    {%- endif -%}
{%- endmacro %}
