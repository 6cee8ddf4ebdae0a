{#
    Stops the call when one of the exports cannot be opened or lacks a required column.
    `runner tenant add` calls it before it writes anything:
    dbt run-operation check_exports --args '{refs: [...]}'.
#}
{% macro check_exports(refs) -%}
    {%- for ref in refs -%}
        {%- set export = read_export(ref) -%}
        {%- set missing = missing_columns(export) -%}
        {%- if missing -%}
            {%- do exceptions.raise_compiler_error(
                "The export " ~ ref ~ " lacks the column" ~ ("s " if missing | length > 1 else " ")
                ~ missing | join(', ') ~ ": name the detailed or standard Cloud Billing export itself."
            ) -%}
        {%- elif not export.has_partitions -%}
            {%- do exceptions.raise_compiler_error(
                "The export " ~ ref ~ " is not partitioned by day of ingestion, so every run would"
                ~ " read all of it: name the table that Cloud Billing itself writes."
            ) -%}
        {%- endif -%}
    {%- endfor -%}
{%- endmacro %}
