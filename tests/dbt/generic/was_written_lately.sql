{#
    The export is still written: its newest row is at most so many hours older than the end of this
    call's last date, or than now if that is earlier. So a backfill of an old month is judged by that
    month, and passes. Fails with one row, the newest there is beside what was expected. Without dates
    nothing is judged. The error of this kind is an expectation of billing_cost_daily, see
    written_lately_findings.
#}
{% test was_written_lately(model, hours) %}

{%- set first_date = slice_dates()[0] if has_slice() else '1970-01-01' %}
{%- set last_date = slice_dates()[1] if has_slice() else '1970-01-01' %}
with newest as (

    select
        max(export_time) as newest_export_time,
        least({{ now_utc() }}, timestamp '{{ shift_date(last_date, 1) }} 00:00:00') as expected_by
    from {{ model }}
    where
        {{ exported_since_slice('export_partition_time', days_before=8) if has_slice() else '1 = 0' }}
        and (
            export_partition_time is null
            or export_time >= timestamp '{{ shift_date(first_date, -8) }} 00:00:00'
        )

)

select * from newest
where newest_export_time < expected_by - interval {{ hours }} hour

{% endtest %}
