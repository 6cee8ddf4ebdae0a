{#
    Stops the call when one of the exports cannot be opened, has not the columns that it must
    have, or when two of them carry the same account. `accounts`, `projects` and
    `has_unallocated` define which rows are the tenant's, as in x_meta_exports.
    `runner tenant add` calls it before it writes anything:
    dbt run-operation check_exports --args '{refs: [...]}'.
#}
{% macro check_exports(refs, accounts=[], projects=[], has_unallocated=true) -%}
    {%- set exports = [] -%}
    {%- for ref in refs -%}
        {%- set export = read_export(ref) -%}
        {%- set faults = export_faults(export) -%}
        {%- if faults -%}
            {%- do exceptions.raise_compiler_error(
                faults ~ " Name the detailed or standard Cloud Billing export itself."
            ) -%}
        {%- elif not export.has_partitions -%}
            {%- do exceptions.raise_compiler_error(
                "The export " ~ ref ~ " is not partitioned by day of ingestion, so every run would"
                ~ " read all of it: name the table that Cloud Billing itself writes."
            ) -%}
        {%- endif -%}
        {%- do export.update(
            {'accounts': accounts, 'projects': projects, 'has_unallocated': has_unallocated}
        ) -%}
        {%- do check_rows(export) -%}
        {%- if export.form == 'text' -%}
            {%- do check_text_export(export) -%}
        {%- endif -%}
        {%- for failure in lost_rows(export) -%}
            {%- do exceptions.raise_compiler_error(failure) -%}
        {%- endfor -%}
        {%- do exports.append(export) -%}
    {%- endfor -%}
    {%- for row in (run_query(accounts_in_two_exports(exports)).rows if exports | length > 1 else []) -%}
        {%- do exceptions.raise_compiler_error(
            "Billing account " ~ row[0] ~ " is in two exports, " ~ row[3] ~ " and " ~ row[4]
            ~ ", with usage of the same dates (" ~ row[1] ~ " to " ~ row[2] ~ "): a standard and a"
            ~ " detailed export of one account carry the same money. Name one of the two."
        ) -%}
    {%- endfor -%}
{%- endmacro %}
