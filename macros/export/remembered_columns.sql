{#
    What x_meta_export_columns knows of each column of an export, as rows: when it was last told as
    new, last seen as an optional one, and last told as lost.
#}
{% macro remembered_columns(remembered) -%}
    select
        export_ref,
        column_name,
        max(case when coalesce(column_state, 'new') = 'new' then first_seen_at end) as told_at,
        max(case when column_state = 'optional' then first_seen_at end) as seen_at,
        max(case when column_state = 'lost' then first_seen_at end) as lost_at
    from {{ remembered }}
    group by export_ref, column_name
{%- endmacro %}
