{#
    True for a partition of the export that can hold charges of this call's dates: from some
    days before the first date (the partition label may lag UTC by a day) up to now, with no
    upper end, since corrections come weeks later. Rows still in BigQuery's streaming buffer,
    and files that carry no partition time, have none and are read.
#}
{% macro exported_since_slice(column, days_before=1) -%}
    {%- set dates = slice_dates() -%}
    (
        {{ column }} >= timestamp '{{ shift_date(dates[0], -days_before) }} 00:00:00'
        or {{ column }} is null
    )
{%- endmacro %}
