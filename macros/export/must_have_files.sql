{# Stops the call when the landing has no file of one of its dates. #}
{% macro must_have_files(name) -%}
    {#- by their names: glob writes paths in its own way -#}
    {%- set files = [] -%}
    {%- for row in run_query(
        'select parse_filename(file) from glob('
        ~ quote_text(landing_folder(name) ~ '/[0-9]*.parquet') ~ ')'
    ).rows -%}
        {%- do files.append(row[0]) -%}
    {%- endfor -%}
    {%- set lost = [] -%}
    {%- for date in slice_days() -%}
        {%- do lost.append(date) if date ~ '.parquet' not in files -%}
    {%- endfor -%}
    {%- if lost -%}
        {%- set more = ' and ' ~ (lost | length - 1) ~ ' more dates up to ' ~ lost[-1] -%}
        {%- do exceptions.raise_compiler_error(
            "The landing " ~ name ~ " has no file of " ~ lost[0] ~ (more if lost | length > 1 else "")
            ~ ": run `runner run --tenant " ~ name ~ " --from " ~ lost[0] ~ " --to " ~ lost[-1]
            ~ "` first."
        ) -%}
    {%- endif -%}
{%- endmacro %}
