{#
    All that a table promises at one level of severity, in one statement: a list of named
    expectations, see expectation_failures. A dated table is tested on the dates of the call, or on
    all dates when the call names none. Returns one row per failed expectation, or per failing key.
    dbt's number of failures is the number of failed expectations.

    At level error, on a dated table, it is a proof: the table's rows are published only if they
    pass (macros/publish).
#}
{% test expectations(model, expect) %}
{{ config(fail_calc='count(distinct expectation)') }}
{%- set table = attached_table() -%}
{%- set rows = rows_on_tested_dates(model, table) -%}
{#- What a view costs it costs once, where the engine keeps what is named here. -#}
{%- if execute and expect | length > 1 and graph.nodes[table].config.materialized == 'view' %}
with tested_rows as (select * from {{ rows }})
    {%- set rows = 'tested_rows' %}
{% endif -%}
{{ expectation_failures(rows, expect, table) }}
{% endtest %}
