{#
    The export is still written: its newest row is at most a day older than the end of this
    call's last date, or than now if that is earlier. So a backfill of an old month is judged by
    that month, and passes. Fails with the hours it is behind, 24 or 48; dates that ended more
    than a week ago can only be 24 behind. An export without a row in the week before the first
    date has stopped if the tenant's bill has rows of the month before; else the tenant uses
    nothing. Without dates nothing is judged.
#}
{% test was_written_lately(model, bill) %}

{%- set first_date = slice_dates()[0] if has_slice() else '1970-01-01' %}
{%- set last_date = slice_dates()[1] if has_slice() else '1970-01-01' %}
with newest as (

    select
        max(export_time) as newest_export_time,
        least({{ now_utc() }}, timestamp '{{ shift_date(last_date, 1) }} 00:00:00') as expected_by,
        {{ now_utc() }} < timestamp '{{ shift_date(last_date, 8) }} 00:00:00' as is_recent
    from {{ model }}
    where {{ exported_since_slice('export_partition_time', days_before=8) if has_slice() else '1 = 0' }}

),

earlier as (

    select count(*) as charge_rows
    from {{ bill }}
    where
        ingestion_date >= date '{{ shift_date(first_date, -38) }}'
        and ingestion_date < date '{{ first_date }}'

),

judged as (

    select
        newest_export_time,
        expected_by,
        case
            when is_recent and newest_export_time is null and earlier.charge_rows > 0 then 48
            when is_recent and newest_export_time < expected_by - interval 48 hour then 48
            when newest_export_time < expected_by - interval 24 hour then 24
        end as hours_behind
    from newest
    cross join earlier

)

select * from judged where hours_behind is not null

{% endtest %}
