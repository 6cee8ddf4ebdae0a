{#
    The export is still written: its newest row is at most so many hours older than the end of this
    call's last date, or than now if that is earlier. So a backfill of an old month is judged by that
    month, and passes. Without dates nothing is judged. The error of this kind is written_lately.
#}
{% macro written_until_the_end_failures(name, model, hours, exports) -%}
    {%- if execute and not own_exports(exports) -%}
        {{ return(no_failures(name)) }}
    {%- endif -%}
    select
        {{ one_failure(name, ['export_ref'], ['export_ref', 'newest_export_time', 'expected_by']) }}
    from (
        {{ newest_export_time(model, exports) }}
    ) as newest
    where newest_export_time < expected_by - interval {{ hours }} hour
{%- endmacro %}
