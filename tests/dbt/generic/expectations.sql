{#
    All that a table promises at one level of severity, in one statement: a list of named
    expectations, see expectation_findings. Of a dated table the dates of the call are tested, or
    all that is loaded when the call names none. Returns one row per failed expectation, or per
    failing key; dbt's number of failures is that of failed expectations.

    At level error, on a dated table, it is a proof: the table's rows are published only if it
    holds (macros/publish).
#}
{% test expectations(model, expect) %}
{{ config(fail_calc='count(distinct expectation)') }}
{%- set table = attached_table() -%}
{{ expectation_findings(rows_on_tested_dates(model, table), expect, table) }}
{% endtest %}
