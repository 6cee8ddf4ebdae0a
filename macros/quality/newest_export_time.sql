{#
    The query for the newest row of each of a view's exports since a week before this call's dates, null
    for none, and by when one is expected: the end of the last date, or now if that is earlier. Without
    dates it reads nothing.
#}
{% macro newest_export_time(view, exports) -%}
    {%- set first_date = slice_dates()[0] if has_slice() else '1970-01-01' -%}
    {%- set last_date = slice_dates()[1] if has_slice() else '1970-01-01' -%}
    select
        named.export_ref,
        written.newest_export_time,
        least({{ now_utc() }}, {{ midnight(shift_date(last_date, 1)) }}) as expected_by
    from (
        {% for export in exports %}
        select {{ quote_text(export_id(export.ref)) }} as export_ref {{ 'union all' if not loop.last }}
        {%- else %}
        select {{ quote_text('') }} as export_ref
        {%- endfor %}
    ) as named
    left join (
        select
            export_ref,
            max(export_time) as newest_export_time
        from {{ view }}
        where
            {{ exported_since_slice('export_partition_time', days_before=8) if has_slice() else '1 = 0' }}
            and (
                export_partition_time is null
                or export_time >= {{ midnight(shift_date(first_date, -8)) }}
            )
        group by export_ref
    ) as written on named.export_ref = written.export_ref
{%- endmacro %}
