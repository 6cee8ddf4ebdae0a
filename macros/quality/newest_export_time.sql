{#
    The query for the newest row of an export since a week before this call's dates, and by when one is
    expected: the end of the last date, or now if that is earlier. Without dates it reads nothing.
#}
{% macro newest_export_time(export) -%}
    {%- set first_date = slice_dates()[0] if has_slice() else '1970-01-01' -%}
    {%- set last_date = slice_dates()[1] if has_slice() else '1970-01-01' -%}
    select
        max(export_time) as newest_export_time,
        least({{ now_utc() }}, timestamp '{{ shift_date(last_date, 1) }} 00:00:00') as expected_by
    from {{ export }}
    where
        {{ exported_since_slice('export_partition_time', days_before=8) if has_slice() else '1 = 0' }}
        and (
            export_partition_time is null
            or export_time >= timestamp '{{ shift_date(first_date, -8) }} 00:00:00'
        )
{%- endmacro %}
