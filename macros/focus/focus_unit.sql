{# A unit of the export as FOCUS's UnitFormat writes it; one that is not known here stays as it is. #}
{% macro focus_unit(unit) -%}
    {%- set units = {
        '1': 'Count', 'count': 'Count', 'requests': 'Requests', 'invocations': 'Invocations',
        'bytes': 'B', 'kibibyte': 'KiB', 'mebibyte': 'MiB', 'gibibyte': 'GiB', 'tebibyte': 'TiB',
        'pebibyte': 'PiB', 'byte-seconds': 'B-Seconds', 'second': 'Seconds', 'seconds': 'Seconds',
        'minute': 'Minutes', 'hour': 'Hours', 'day': 'Days', 'month': 'Months', 'year': 'Years',
    } -%}
    {%- set sizes = {'mebibyte': 'MiB', 'gibibyte': 'GiB', 'tebibyte': 'TiB'} -%}
    {%- set times = {
        'second': 'Seconds', 'minute': 'Minutes', 'hour': 'Hours', 'day': 'Days', 'month': 'Months',
    } -%}
    case {{ unit }}
        {%- for written, name in units.items() %}
        when '{{ written }}' then '{{ name }}'
        {%- endfor %}
        {%- for size, size_name in sizes.items() %}
        {%- for time, time_name in times.items() %}
        when '{{ size }} {{ time }}' then '{{ size_name }}-{{ time_name }}'
        {%- endfor %}
        {%- endfor %}
        else {{ unit }}
    end
{%- endmacro %}
