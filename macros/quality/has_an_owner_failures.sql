{#
    Rows of the export without a billing account or a usage start, before the tenant's filter, which
    would leave them out without a word. By file on DuckDB; a sample has the file's name without its
    folders, which are not for the readers of failures. A landing that is read has no such row: its
    own proof was this one. On BigQuery the partitions are read that can hold charges of the dates.
#}
{% macro has_an_owner_failures(name, exports) -%}
    {%- set shown = [('file', "regexp_extract(file, '[^/]*$')"), 'without_account', 'without_date'] -%}
    {%- set since = exported_since_slice(export_columns().partition_time, days_before=8)
        if has_slice() else exported_lately() -%}
    {%- set queries = [] -%}
    {%- for export in own_exports(exports) -%}
        {%- do queries.append(
            rows_without_owner(export, since if export.kind == 'table' else '1 = 1')
        ) -%}
    {%- endfor -%}
    select
        {{ quote_text(name) }} as expectation,
        {{ json_object(['export_ref', 'file']) }} as key,
        {{ no_amount() }},
        charge_rows as failing_rows,
        [{{ json_object(shown) }}] as samples
    from (
        {%- for query in queries %}
        {{ query }}
        {{ 'union all' if not loop.last }}
        {%- else %}
        select '' as export_ref, '' as file, 0 as charge_rows, 0 as without_account, 0 as without_date
        {%- endfor %}
    ) as without_owner
    where charge_rows > 0
{%- endmacro %}
