{#
    A scalar of an export of text (NDJSON, CSV; DuckDB only) as a type. Text has no types that could
    be compared with Google's, so each value is: one that does not fit stops the statement with
    the column's name. So do NaN and infinity, which no quantity or time can be. Money that Google
    has as a float is read as a float first, as BigQuery reads it; what Google has as NUMERIC, as a decimal.
    A time begins with a year of four digits: DuckDB reads 01-11-24 as a day of the year 1.
#}
{% macro text_value(export, path, value, type) -%}
    coalesce(
        {%- if type == 'timestamp' %}
        {#- as a timestamp DuckDB drops an offset, and without one a timestamptz is of the session #}
        case
            when not isfinite(try_cast({{ value }} as timestamp)) then null
            when not regexp_matches({{ value }}, '^\s*\d{4}\D') then null
            when regexp_matches({{ value }}, ':.*[-+A-Za-z]')
                then try_cast({{ value }} as timestamptz) at time zone 'UTC'
            else try_cast({{ value }} as timestamp)
        end,
        {%- elif type == 'float' %}
        case when isfinite(try_cast({{ value }} as double)) then cast({{ value }} as double) end,
        {%- elif type == 'money' and is_float(export, path) %}
        {{ numeric_of_float('try_cast(' ~ value ~ ' as double)', amount_fault(export, path)) }},
        {%- else %}
        try_cast({{ value }} as {{ engine_type(type) }}),
        {%- endif %}
        case when {{ value }} is not null then {{ text_fault(export, path) }} end
    )
{%- endmacro %}
