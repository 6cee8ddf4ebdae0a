{#
    What is wrong with an opened export's columns, as sentences: the required ones that a file lacks
    and the ones of another type than Google's, both types with them. None when there is no fault. Each
    shape of the files is judged: united by name, one file's columns would stand in for another's. Of
    Parquet files without a row, whose columns may have no type, all that counts is that the others do
    not change by them. What uniting the files costs is judged last, see mixed_types.

    A retyped column is refused, not cast: money as integers has lost its cents, and text
    that reads as a time today may not tomorrow.
#}
{% macro export_faults(export) -%}
    {%- set sentences = [] -%}
    {%- for shape in export.shapes -%}
        {%- set faults = shape_faults(shape.fields, export.kind) -%}
        {%- if faults and not (
            export.kind == 'parquet' and shape_faults(export.fields, export.kind) is none
            and run_query('select count(*) from read_parquet(' ~ files_list(shape.files) ~ ')').rows[0][0] == 0
        ) -%}
            {%- set more = ' (and ' ~ (shape.files | length - 1) ~ ' more)' if shape.files | length > 1 else '' -%}
            {%- set is_complete = shape.files == [export.ref] or (export.shapes | length == 1 and more) -%}
            {%- set subject = 'The export ' ~ export.ref if is_complete
                else "The export file " ~ shape.files[0] ~ more -%}
            {%- do sentences.append(subject ~ ' ' ~ faults ~ '.') -%}
        {%- endif -%}
    {%- endfor -%}
    {%- do sentences.extend(mixed_types(export)) -%}
    {{ return(sentences | join(' ') or none) }}
{%- endmacro %}
