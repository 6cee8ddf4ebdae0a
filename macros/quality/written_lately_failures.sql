{#
    The export is still written: its newest row is at most so many hours older than the end of this
    call's last date, or than now if that is earlier. Judged only for dates that ended less than a week
    ago, so a backfill passes. An export without a row in the week before the first date has stopped if
    the table has rows of the month before; else the tenant uses nothing. Without dates nothing is
    judged, nor is a landing: its own run tests that.
#}
{% macro written_lately_failures(name, table, hours, exports) -%}
    {#- ref stands outside the if: dbt must see it when it parses -#}
    {%- set export = ref('stg_gcp_billing__export') -%}
    {%- set first_date = slice_dates()[0] if has_slice() else '1970-01-01' -%}
    {%- set last_date = slice_dates()[1] if has_slice() else '1970-01-01' -%}
    {%- set meta = (graph.nodes[table].config.meta if execute else {}) -%}
    {%- set days = [shift_date(first_date, -38), first_date] -%}
    {%- set bounds = [] -%}
    {%- for day in days -%}
        {%- do bounds.append(midnight(day) if meta.get('slice_as') == 'timestamp' else "date '" ~ day ~ "'") -%}
    {%- endfor -%}
    {%- if execute and not own_exports(exports) -%}
        {{ return(no_failures(name)) }}
    {%- endif -%}
    select
        {{ one_failure(name, ['export_ref'], ['export_ref', 'newest_export_time', 'expected_by']) }}
    from (
        {{ newest_export_time(export, exports) }}
    ) as newest
    left join (
        select
            export_ref as loaded_export_ref,
            count(*) as charge_rows
        from {{ (this if model.unique_id == table else relation_of(table)) if execute else export }}
        where
            {{ meta.get('slice_by', 'usage_date') }} >= {{ bounds[0] }}
            and {{ meta.get('slice_by', 'usage_date') }} < {{ bounds[1] }}
        group by export_ref
    ) as earlier on newest.export_ref = earlier.loaded_export_ref
    where
        {{ now_utc() }} < {{ midnight(shift_date(last_date, 8)) }}
        and (
            newest_export_time < expected_by - interval {{ hours }} hour
            or (newest_export_time is null and charge_rows > 0)
        )
{%- endmacro %}
