{# A HUGEINT of billionths as money, exact (DuckDB only); an error where money has not so many digits. #}
{% macro money_of_nanos(nanos) -%}
    (cast({{ nanos }} as numeric(38, 0)) * 0.000000001)
{%- endmacro %}
