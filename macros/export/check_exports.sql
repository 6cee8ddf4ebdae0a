{#
    Stops the call when one of the exports cannot be opened or lacks a required column.
    `runner tenant add` calls it before it writes anything:
    dbt run-operation check_exports --args '{refs: [...]}'.
#}
{% macro check_exports(refs) -%}
    {%- for ref in refs -%}
        {%- set missing = missing_columns(read_export(ref)) -%}
        {%- if missing -%}
            {%- do exceptions.raise_compiler_error(
                "The export " ~ ref ~ " lacks the column" ~ ("s " if missing | length > 1 else " ")
                ~ missing | join(', ') ~ ": name the detailed or standard Cloud Billing export itself."
            ) -%}
        {%- endif -%}
    {%- endfor -%}
{%- endmacro %}
