{# One row per step of the last day's runs, in the order of a run: where it spent its time or failed. #}
{{ config(enabled=target.type == "bigquery") }}
with steps as (

    select * from {{ ref('x_meta_step_logs') }}

),

recent_steps as (

    select
        pipeline_logging_id,
        step_index,
        step_name,
        step_type,
        status,
        row_count,
        error_message,
        warnings,
        start_time,
        end_time,
        duration_ms
    from steps
    where start_time >= {{ now_utc() }} - interval 1 day

)

select * from recent_steps
order by pipeline_logging_id, step_index
