{#
    A query for the rows of an opened export that no tenant can be billed for, before any filter: per
    file (on BigQuery for the export) the rows, and how many have no valid billing account and no usage start.
    On BigQuery `exported_since`, a condition, bounds the partitions. No rows when each row has an owner.
#}
{% macro rows_without_owner(export, exported_since='1 = 1') -%}
    select
        {{ quote_text(export.ref) }} as export_ref,
        {{ 'x_meta_file_name' if export.files_relation else quote_text(export.ref) }} as file,
        count(*) as charge_rows,
        sum(case when {{ has_no_account() }} then 1 else 0 end) as without_account,
        sum(case when usage_start_time is null then 1 else 0 end) as without_date
    from {{ export.files_relation or export.relation }}
    where ({{ has_no_account() }} or usage_start_time is null) and {{ exported_since }}
    {{ 'group by x_meta_file_name' if export.files_relation else 'having count(*) > 0' }}
{%- endmacro %}
