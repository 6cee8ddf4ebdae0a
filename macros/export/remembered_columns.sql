{#
    What x_meta_export_columns knows of each column of an export from before this run, as rows: when
    it was last told as new, last seen as an optional one, and last told as lost. What this run has
    told itself is left out, so that the sample rows that come after still find it.
#}
{% macro remembered_columns(remembered) -%}
    select
        export_ref,
        column_name,
        max(case when coalesce(column_state, 'new') = 'new' then first_seen_at end) as told_at,
        max(case when column_state = 'optional' then first_seen_at end) as seen_at,
        max(case when column_state = 'lost' then first_seen_at end) as lost_at
    from {{ remembered }}
    where coalesce(pipeline_logging_id, '') <> {{ quote_text(run_id()) }}
    group by export_ref, column_name
{%- endmacro %}
