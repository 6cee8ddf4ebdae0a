{#
    DuckDB: fails the transaction when one of the export's files is not as it was before the copy. What
    it cannot see, a file of the same size replaced within a second, the proof sees by its sums.
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
