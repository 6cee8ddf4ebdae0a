{#
    DuckDB: sentences for the amounts whose digits would be lost because two files of an opened export
    have them in types that unite to a coarser one: a decimal and a float to a float, two decimals to
    one of fewer decimals than NUMERIC's nine. All other types that are accepted unite without loss.
#}
{% macro mixed_types(export) -%}
    {%- set types = export_columns().types -%}
    {%- set sentences = [] -%}
    {%- for path in (types.FLOAT64 + types.NUMERIC if export.kind == 'parquet' and export.shapes | length > 1 else []) -%}
        {%- set united = export.fields.get(path, '') -%}
        {%- set decimals = (modules.re.findall('DECIMAL[(].*,(.*)[)]', united) or ['0'])[0] | int -%}
        {%- set losing, other = [], [] -%}
        {%- for shape in export.shapes if shape.fields.get(path, 'NULL') != 'NULL' -%}
            {%- set own = modules.re.findall('DECIMAL[(].*,(.*)[)]', shape.fields[path]) -%}
            {%- if own and (united == 'DOUBLE' or decimals < [own[0] | int, 9] | min) -%}
                {%- do losing.append(shape) -%}
            {%- else -%}
                {%- do other.append(shape) -%}
            {%- endif -%}
        {%- endfor -%}
        {%- if losing and other -%}
            {%- do sentences.append(
                "The export file " ~ losing[0].files[0] ~ " has the column " ~ path ~ " as "
                ~ losing[0].fields[path] ~ ", and " ~ other[0].files[0] ~ " as " ~ other[0].fields[path]
                ~ ": read together, digits are lost, so write it in one type."
            ) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(sentences) }}
{%- endmacro %}
