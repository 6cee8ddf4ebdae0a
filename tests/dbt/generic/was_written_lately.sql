{#
    The export is still written: its newest row is at most so many hours older than the end of this
    call's last date, or than now if that is earlier. So a backfill of an old month is judged by that
    month, and passes. Fails with one row, the newest there is beside what was expected. Without dates
    nothing is judged. The error of this kind is an expectation of billing_cost_daily, see
    written_lately_findings.
#}
{% test was_written_lately(model, hours) %}

with newest as (

    {{ newest_export_time(model) }}

)

select * from newest
where newest_export_time < expected_by - interval {{ hours }} hour

{% endtest %}
