{#
    The state of each column of an export in x_meta_export_columns before this run, as rows: when it
    was last reported as new, last seen as an optional one, and last reported as lost. Reports of
    this run are excluded, so that the sample rows that are queried afterwards still have them.
#}
{% macro remembered_columns(remembered) -%}
    select
        export_ref,
        column_name,
        max(case when coalesce(column_state, 'new') = 'new' then first_seen_at end) as reported_at,
        max(case when column_state = 'optional' then first_seen_at end) as seen_at,
        max(case when column_state = 'lost' then first_seen_at end) as lost_at
    from {{ remembered }}
    where coalesce(pipeline_logging_id, '') <> {{ quote_text(run_id()) }}
    group by export_ref, column_name
{%- endmacro %}
