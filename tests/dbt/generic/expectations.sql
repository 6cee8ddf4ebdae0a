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
{#- What a view costs it costs once, where the engine keeps what is named here. -#}
{%- set tested = rows_on_tested_dates(model, table) -%}
{%- if execute and expect | length > 1 and graph.nodes[table].config.materialized == 'view' -%}
with tested_rows as (select * from {{ tested }})

{{ expectation_failures('tested_rows', expect, table) }}
{%- else -%}
{{ expectation_failures(tested, expect, table) }}
{%- endif -%}
{% endtest %}
