{#
    One amount by another, as money: rounded half away from zero to nine decimals, as BigQuery divides
    NUMERIC. Null where the divisor is 0 or either is null. An amount of 8e19 or more is an overflow on
    DuckDB.
#}
{% macro divide(dividend, divisor) -%}
    {{ adapter.dispatch('divide')(money(dividend), money(divisor)) }}
{%- endmacro %}

{#- DuckDB divides decimals in floating point: so in integer billionths. The half of twice the quotient, plus one, rounds. -#}
{% macro duckdb__divide(dividend, divisor) -%}
    (sign({{ dividend }}) * sign({{ divisor }}) * {{ money_of_nanos(
        '((cast(abs(' ~ dividend ~ ') * 1000000000 as hugeint) * 2000000000 // '
        ~ 'nullif(cast(abs(' ~ divisor ~ ') * 1000000000 as hugeint), 0) + 1) >> 1)'
    ) }})
{%- endmacro %}

{% macro bigquery__divide(dividend, divisor) -%}
    ({{ dividend }} / nullif({{ divisor }}, 0))
{%- endmacro %}
