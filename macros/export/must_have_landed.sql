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
