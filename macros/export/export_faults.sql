{#
    What is wrong with an opened export's columns, as the end of a sentence: the required ones it
    lacks and the ones of another type than Google's, both types with them. None when all is
    well. Text exports have no types: there a column as a whole can be missing, and each value is judged
    where it is read (text_value).

    A retyped column is refused, not cast: money as whole numbers has lost its cents, and text
    that reads as a time today may not tomorrow.
#}
{% macro export_faults(export) -%}
    {%- if export.form == 'landed' -%}
        {{ return(none) }}
    {%- endif -%}
    {%- set columns = export_columns() -%}
    {#- engines' names of the types: BigQuery's own, and DuckDB's for the same -#}
    {%- set fitting = {
        'STRING': 'STRING|VARCHAR|ENUM.*',
        'FLOAT64': 'FLOAT64|DOUBLE|(BIG)?NUMERIC.*|DECIMAL.*',
        'NUMERIC': 'FLOAT64|DOUBLE|(BIG)?NUMERIC.*|DECIMAL.*',
        'TIMESTAMP': 'TIMESTAMP.*',
        'BOOL': 'BOOL(EAN)?',
    } -%}
    {%- set missing, retyped = [], [] -%}
    {%- for type, paths in columns.types.items() -%}
    {%- for path in paths -%}
        {%- set top = path.split('.')[0] -%}
        {%- set name = path if export.form == 'typed' else top -%}
        {%- set found = export.fields.get(name) -%}
        {%- set record = export.fields.get(top) -%}
        {%- if found and export.form == 'typed' and not modules.re.fullmatch(fitting[type], found | upper) -%}
            {%- do retyped.append(path ~ ' as ' ~ found ~ ' instead of ' ~ type) -%}
        {%- elif not found and record and export.form == 'typed' and 'STRUCT' not in record | upper -%}
            {%- set fault = top ~ ' as ' ~ record ~ ' instead of RECORD' -%}
            {%- do retyped.append(fault) if fault not in retyped -%}
        {%- elif not found and path in columns.required -%}
            {%- do missing.append(path ~ ' (' ~ type ~ ')') -%}
        {%- endif -%}
    {%- endfor -%}
    {%- endfor -%}
    {%- set faults = [] -%}
    {%- for verb, named in [('lacks', missing), ('has', retyped)] if named -%}
        {%- do faults.append(
            verb ~ ' the column' ~ ('s ' if named | length > 1 else ' ') ~ named | join(', ')
        ) -%}
    {%- endfor -%}
    {{ return(faults | join('; it ') or none) }}
{%- endmacro %}
