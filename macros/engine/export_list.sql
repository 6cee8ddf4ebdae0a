{#
    One repeated record of an opened export by its dotted path, element by element cast to
    the given fields, in order: [(name, type), ...]. A null array, and one that this export
    lacks, are an empty array: BigQuery stores no other.
#}
{% macro export_list(export, path, fields) -%}
    {{ landed_column(path) if export.form == 'landed'
        else adapter.dispatch('export_list')(export, path, fields) }}
{%- endmacro %}

{% macro duckdb__export_list(export, path, fields) -%}
    {%- set parts = path.split('.') -%}
    {#- the list as the export has it: floats that become money stay floats -#}
    {%- set read, floats = [], [] -%}
    {%- for name, type in fields -%}
        {%- if type == 'money' and is_float(export, path ~ '.' ~ name) -%}
            {%- do floats.append(name) -%}
        {%- endif -%}
        {%- do read.append((name, 'float' if name in floats else type)) -%}
    {%- endfor -%}
    {%- set type -%}
        struct({% for name, type in read %}"{{ name }}" {{ engine_type(type) }}{{ ', ' if not loop.last }}{% endfor %})[]
    {%- endset -%}
    {%- set list -%}
        {%- if not has_column(export, path) -%}
            cast([] as {{ type }})
        {%- elif export.form == 'text' -%}
            {{ text_list(export, path, read) }}
        {%- else -%}
            coalesce(cast("{{ parts | join('"."') }}" as {{ type }}), [])
        {%- endif -%}
    {%- endset -%}
    {%- if not floats -%}
        {{ list }}
    {%- else -%}
        list_transform(
            {{ list }},
            lambda item: struct_pack(
                {%- for name, type in fields %}
                {%- set value = 'item."' ~ name ~ '"' %}
                "{{ name }}" := {{ numeric_of_float(value, amount_fault(export, path ~ '.' ~ name))
                    if name in floats else value }}
                {{- ',' if not loop.last }}
                {%- endfor %}
            )
        )
    {%- endif -%}
{%- endmacro %}

{% macro bigquery__export_list(export, path, fields) -%}
    array(
        select as struct
            {%- for name, type in fields %}
            {% if (path ~ '.' ~ name) in export.fields -%}
                cast(item.{{ name }} as {{ engine_type(type) }}) as {{ name }}
            {%- else -%}
                cast(null as {{ engine_type(type) }}) as {{ name }}
            {%- endif -%}
            {{ ',' if not loop.last }}
            {%- endfor %}
        from {{ 'unnest(' ~ path ~ ')' if (path ~ '.' ~ fields[0][0]) in export.fields
            else 'unnest(cast([] as array<struct<' ~ fields[0][0] ~ ' string>>))' }} as item with offset as position
        order by position
    )
{%- endmacro %}
