{# One row per run of the last seven days, refused ones too: what ran, for which dates, how it ended. #}
{{ config(enabled=target.type == "bigquery") }}
with runs as (

    select * from {{ ref('x_meta_pipeline_runs') }}

),

recent_runs as (

    select
        pipeline_logging_id,
        pipeline_id,
        tenant_id,
        status,
        run_date,
        to_date,
        row_count,
        trigger_type,
        trigger_by,
        error_message,
        warnings,
        start_time,
        end_time,
        duration_ms
    from runs
    where start_time >= {{ now_utc() }} - interval 7 day

)

select * from recent_runs
order by start_time desc
