{# The time at which the statement runs, as a UTC timestamp. #}
{% macro now_utc() -%}
    {{ adapter.dispatch('now_utc')() }}
{%- endmacro %}

{% macro duckdb__now_utc() -%}
    make_timestamp(epoch_us(now()))
{%- endmacro %}

{% macro bigquery__now_utc() -%}
    current_timestamp()
{%- endmacro %}
