{#
    Money by a positive rate, a float, as BigQuery's NUMERIC / NUMERIC has it: the rate rounded to
    nine decimals, the quotient half away from zero to nine. An amount of 8e19 or more is an overflow on
    DuckDB.
#}
{% macro divide_by_rate(amount, rate) -%}
    {{ adapter.dispatch('divide_by_rate')(amount, rate) }}
{%- endmacro %}

{#- DuckDB divides decimals in floating point: so in whole billionths. The half of twice the quotient, plus one, rounds. -#}
{% macro duckdb__divide_by_rate(amount, rate) -%}
    sign({{ amount }}) * {{ money_of_nanos(
        '((cast(abs(' ~ amount ~ ') * 1000000000 as hugeint) * 2000000000 // '
        ~ nanos_of_float(rate) ~ ' + 1) >> 1)'
    ) }}
{%- endmacro %}

{% macro bigquery__divide_by_rate(amount, rate) -%}
    {{ money('(' ~ amount ~ ') / ' ~ money(rate)) }}
{%- endmacro %}
