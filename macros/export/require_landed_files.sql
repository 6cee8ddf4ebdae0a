{#
    Stops the call when the landing has not completely landed one of its dates: the date's file is not
    there, or is not of the run that published the date, for a run was killed between its commit and
    its last file.
#}
{% macro require_landed_files(name) -%}
    {%- set folder = landing_folder(name) -%}
    {#- by their names: glob writes paths in its own way -#}
    {%- set names = run_query(
        'select parse_filename(file) from glob(' ~ quote_text(glob_text(folder) ~ '/*.parquet') ~ ')'
    ).columns[0].values() -%}
    {%- set files = [] -%}
    {%- for date in slice_days() if date ~ '.parquet' in names -%}
        {%- do files.append(quote_text(glob_text(folder ~ '/' ~ date ~ '.parquet'))) -%}
    {%- endfor -%}
    {%- set landed = [] -%}
    {%- if files and 'published.parquet' in names -%}
        {%- set published -%}
            select cast(published.usage_date as varchar)
            from read_parquet({{ quote_text(glob_text(folder ~ '/published.parquet')) }}) as published
            inner join parquet_kv_metadata([{{ files | join(', ') }}]) as files
                on parse_filename(files.file_name) = published.usage_date || '.parquet'
                and files.key = encode('pipeline_logging_id')
                and files.value = encode(published.pipeline_logging_id)
        {%- endset -%}
        {%- do landed.extend(run_query(published).columns[0].values()) -%}
    {%- endif -%}
    {%- set lost = slice_days() | reject('in', landed) | list -%}
    {%- if lost -%}
        {%- set more = ' and ' ~ (lost | length - 1) ~ ' more dates up to ' ~ lost[-1] -%}
        {%- do exceptions.raise_compiler_error(
            "The landing " ~ name ~ " has not completely landed " ~ lost[0]
            ~ (more if lost | length > 1 else "") ~ ": run `runner run --tenant " ~ name ~ " --from "
            ~ lost[0] ~ " --to " ~ lost[-1] ~ "` first."
        ) -%}
    {%- endif -%}
{%- endmacro %}
