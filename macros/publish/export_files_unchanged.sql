{#
    DuckDB: fails the transaction when a file of the export has changed since before the copy. A
    file that was replaced within one second by a file of the same size is not found here. The proof
    reads the files once more, so it finds such a file unless its sums are the same, too.
#}
{% macro export_files_unchanged() -%}
    select error('the export changed while it was read: ' || min(filename))
    from (
        (from export_files_before except all ({{ export_files(ref('x_meta_exports')) }}))
        union all
        (({{ export_files(ref('x_meta_exports')) }}) except all from export_files_before)
    ) as changed
    having count(*) > 0;
{%- endmacro %}
