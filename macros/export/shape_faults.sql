{#
    What is wrong with the columns of files of one shape, as the end of a sentence; none when there
    is no fault. Text has no types: there a column can be missing from all rows, and each value is
    checked where it is read (text_value). NDJSON has no columns either, see check_text_values.
#}
{% macro shape_faults(fields, kind) -%}
    {%- set columns = export_columns() -%}
    {%- set flat = flat_columns(fields) -%}
    {%- if flat -%}
        {{ return(
            'has fields of records as columns of their own (' ~ flat | join(', ') ~ '): a record is one'
            ~ ' column, such as ' ~ flat[0].split('.')[0] ~ ' with the field ' ~ flat[0].split('.')[1]
        ) }}
    {%- endif -%}
    {#- engines' names of the types: BigQuery's own, and DuckDB's for the same -#}
    {%- set fitting = {
        'STRING': 'STRING|VARCHAR|ENUM[(].*[)]',
        'FLOAT64': 'FLOAT64|DOUBLE|(BIG)?NUMERIC([(].*)?|DECIMAL[(]([12]?[0-9]|3[0-8]),.*[)]',
        'NUMERIC': 'FLOAT64|DOUBLE|(BIG)?NUMERIC([(].*)?|DECIMAL[(]([12]?[0-9]|3[0-8]),.*[)]',
        'TIMESTAMP': 'TIMESTAMP(TZ)?(_S|_MS|_NS)?( WITH TIME ZONE)?',
        'BOOL': 'BOOL(EAN)?',
    } -%}
    {%- set paths = [(columns.partition_time, 'TIMESTAMP')] -%}
    {%- for type, named in columns.types.items() -%}
        {%- for path in named -%}
            {%- do paths.append((path, type)) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- set missing, empty, retyped = [], [], [] -%}
    {%- for path, type in paths -%}
        {%- set now = namespace(fault='', name='', is_null=false) -%}
        {%- for part in path.split('.') -%}
            {%- set now.name = now.name ~ ('.' if now.name else '') ~ part -%}
            {%- set found = fields.get(now.name, '') | replace('"', '') | upper -%}
            {%- if kind in ('json', 'csv') or found == '' or now.fault -%}
            {%- elif found in ('NULL', 'NULL[]') -%}
                {%- set now.is_null = true -%}
            {%- elif now.name == path -%}
                {%- if not modules.re.fullmatch(fitting[type], found) -%}
                    {%- set now.fault = path ~ ' as ' ~ fields[path] ~ ' instead of ' ~ type -%}
                {%- endif -%}
            {%- elif 'STRUCT' not in found -%}
                {%- set now.fault = now.name ~ ' as ' ~ fields[now.name] ~ ' instead of RECORD' -%}
            {%- elif (now.name in columns.repeated) != (found.endswith('[]') or found.startswith('ARRAY')) -%}
                {%- set now.fault = now.name ~ ' as ' ~ fields[now.name] ~ ' instead of '
                    ~ ('REPEATED RECORD' if now.name in columns.repeated else 'RECORD') -%}
            {%- endif -%}
        {%- endfor -%}
        {%- set top = path.split('.')[0] -%}
        {%- if now.fault -%}
            {%- do retyped.append(now.fault) if now.fault not in retyped -%}
        {%- elif now.is_null -%}
            {%- do empty.append(path) if path in columns.valued -%}
        {%- elif kind != 'json' and path in columns.required
                and (top if kind == 'csv' else path) not in fields -%}
            {%- do missing.append(path ~ ' (' ~ type ~ ')') -%}
        {%- endif -%}
    {%- endfor -%}
    {%- set faults = [] -%}
    {%- for before, named in [
        ('lacks', missing), ('has', retyped), ('has no value in', empty),
    ] if named -%}
        {%- do faults.append(
            before ~ (' the columns ' if named | length > 1 else ' the column ') ~ named | join(', ')
        ) -%}
    {%- endfor -%}
    {{ return(faults | join('; it ') or none) }}
{%- endmacro %}
