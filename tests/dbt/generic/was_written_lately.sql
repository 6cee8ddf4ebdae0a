{#
    The export is still written: its newest row is at most so many hours older than the end of
    this call's last date, or than now if that is earlier. So a backfill of an old month is judged
    by that month, and passes. Fails with one row, the newest there is beside what was expected.
    With recent_dates_only, dates that ended more than a week ago are not judged, and an export
    without a row in the week before the first date has stopped if the tenant's bill has rows of
    the month before; else the tenant uses nothing. Without dates nothing is judged.
#}
{% test was_written_lately(model, bill, hours, recent_dates_only=false) %}

{%- set first_date = slice_dates()[0] if has_slice() else '1970-01-01' %}
{%- set last_date = slice_dates()[1] if has_slice() else '1970-01-01' %}
with newest as (

    select
        max(export_time) as newest_export_time,
        least({{ now_utc() }}, timestamp '{{ shift_date(last_date, 1) }} 00:00:00') as expected_by
    from {{ model }}
    where {{ exported_since_slice('export_partition_time', days_before=8) if has_slice() else '1 = 0' }}

),

earlier as (

    select count(*) as charge_rows
    from {{ bill }}
    where
        ingestion_date >= date '{{ shift_date(first_date, -38) }}'
        and ingestion_date < date '{{ first_date }}'

)

select
    newest.newest_export_time,
    newest.expected_by
from newest
cross join earlier
where
    {{ now_utc() }} < timestamp '{{ shift_date(last_date, 8) if recent_dates_only else '9999-01-01' }} 00:00:00'
    and (
        newest.newest_export_time < newest.expected_by - interval {{ hours }} hour
        or (newest.newest_export_time is null and earlier.charge_rows > 0 and {{ recent_dates_only }})
    )

{% endtest %}
