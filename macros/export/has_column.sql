{#
    True when an opened export can have a value in a field, by its dotted path: the column is there,
    and it is not null throughout (Parquet's null type). Of text the column decides, of NDJSON every known
    one, for a key is left out where it has no value.
#}
{% macro has_column(export, path) -%}
    {%- set top = path.split('.')[0] -%}
    {%- set type = export.fields.get(top if export.form == 'text' else path, '') | replace('"', '') -%}
    {{ return(
        (export.kind == 'json' and top in export_columns().known)
        or (type != '' and type != 'NULL')
    ) }}
{%- endmacro %}
