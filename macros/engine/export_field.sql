{#
    One scalar field of an opened export by its dotted path, cast to a type; a typed null
    where this export has no such field. Types: text, money, float, boolean, timestamp (UTC).
#}
{% macro export_field(export, path, type='text') -%}
    {%- if export.form == 'landed' -%}
        {{ landed_column(path) }}
    {%- elif has_column(export, path) -%}
        {{ adapter.dispatch('export_field')(export, path, type) }}
    {%- else -%}
        cast(null as {{ engine_type(type) }})
    {%- endif -%}
{%- endmacro %}

{% macro duckdb__export_field(export, path, type) -%}
    {%- set parts = path.split('.') -%}
    {%- if export.form == 'typed' -%}
        {%- set value = '"' ~ parts | join('"."') ~ '"' -%}
    {%- elif parts | length == 1 -%}
        {%- set value = '"' ~ path ~ '"' -%}
    {%- else -%}
        {%- set value = text_field(export, parts[0], '"' ~ parts[0] ~ '"', parts[1:] | join('.')) -%}
    {%- endif -%}
    {%- if type == 'timestamp' and export.form == 'typed' and modules.re.search('TZ|TIME ZONE', export.fields[path]) -%}
        cast({{ value }} as timestamptz) at time zone 'UTC'
    {%- elif type == 'money' and export.form == 'typed' and is_float(export, path) -%}
        {%- set number = 'cast(' ~ value ~ ' as double)' -%}
        {{ numeric_of_float(number, amount_fault(export, path)) }}
    {%- elif type != 'text' and export.form == 'text' -%}
        {{ text_value(export, path, value, type) }}
    {%- else -%}
        cast({{ value }} as {{ engine_type(type) }})
    {%- endif -%}
{%- endmacro %}

{% macro bigquery__export_field(export, path, type) -%}
    cast({{ path }} as {{ engine_type(type) }})
{%- endmacro %}
