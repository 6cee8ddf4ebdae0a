{#
    A float as an amount of money: the number that BigQuery's CAST(x AS NUMERIC) makes of it, which is
    the float's exact binary value, rounded half away from zero to nine decimals. What NUMERIC does not
    hold (NaN, infinity, 1e29 and more) is an error: `fault`, an expression that stops the statement,
    or the engine's own.
#}
{% macro numeric_of_float(x, fault=none) -%}
    {{ adapter.dispatch('numeric_of_float')(x, fault) }}
{%- endmacro %}

{#- 1e29 is the float 99999999999999991433150857216, the greatest that NUMERIC holds -#}
{% macro duckdb__numeric_of_float(x, fault) -%}
    case
        when abs({{ x }}) <= 1e29 then {{ money_of_nanos(nanos_of_float(x)) }}
        when {{ x }} is not null then {{ fault or money(x) }}
    end
{%- endmacro %}

{% macro bigquery__numeric_of_float(x, fault) -%}
    {{ money(x) }}
{%- endmacro %}
