{#
    An amount of one charge in US dollars, at the rate of the export's row; to be taken row by
    row, before any sum. Null where the row has no rate. At rate 1 the amount itself: DuckDB
    divides in floating point.
#}
{% macro in_usd(amount) -%}
    case
        when currency_conversion_rate = 1 then {{ amount }}
        else {{ money(amount ~ ' / nullif(' ~ money('currency_conversion_rate') ~ ', 0)') }}
    end
{%- endmacro %}
