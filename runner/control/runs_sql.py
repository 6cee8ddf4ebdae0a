"""Statements over runs, their steps and their usage events."""

from runner.control.statements import update

EXPIRE = """
update `{tenant}.x_meta_pipeline_runs`
set status = 'FAILED', end_time = @now,
    duration_ms = unix_millis(@now) - unix_millis(start_time),
    error_message = case
        when worker_instance = 'queue'
            then 'no service dequeued it within a day: start a service with runner serve'
        else @step_error
    end
where status in ('PENDING', 'RUNNING') and lease_expires_at <= @now
"""

# After EXPIRE or CANCEL: the steps of the runs that it has just closed as @step_status.
CLOSE_STEPS = """
update `{tenant}.x_meta_step_logs`
set status = @step_status, end_time = @now,
    duration_ms = unix_millis(@now) - unix_millis(start_time), error_message = @step_error
where status = 'RUNNING' and pipeline_logging_id in (
    select pipeline_logging_id
    from `{tenant}.x_meta_pipeline_runs`
    where status = @step_status and end_time = @now
)
"""

# For every ended run, also one that was ended by a manual UPDATE: the usage view counts events.
MISSING_EVENTS = """
insert into `tenants.tenant_usage_events` (
    event_id, tenant_id, pipeline_logging_id, event_type, run_status, usage_date, occurred_at
)
select
    runs.pipeline_logging_id || '-finished', runs.tenant_id, runs.pipeline_logging_id,
    'finished', runs.status, date(runs.start_time, 'UTC'), @now
from `{tenant}.x_meta_pipeline_runs` as runs
left join `tenants.tenant_usage_events` as events
    on events.tenant_id = @tenant_id and events.usage_date >= @events_since
    and events.event_id = runs.pipeline_logging_id || '-finished'
where runs.status in ('COMPLETED', 'FAILED', 'CANCELLED')
    and date(runs.start_time, 'UTC') >= @events_since and events.event_id is null
"""

# A run whose process on this host has exited is dead at once: its lease ends now.
END_LEASE = """
update `{tenant}.x_meta_pipeline_runs` set lease_expires_at = @now
where pipeline_logging_id = @dead_{n} and status in ('PENDING', 'RUNNING')
"""

ACTIVE_RUNS = """
select
    pipeline_logging_id, status, worker_instance, pipeline_id, run_date, to_date, start_time,
    lease_expires_at
from `{tenant}.x_meta_pipeline_runs`
where status in ('PENDING', 'RUNNING')
"""

RUN_COLUMNS = """
pipeline_logging_id, pipeline_id, tenant_id, status, trigger_type, trigger_by, user_id,
start_time, end_time, duration_ms, config_version, worker_instance, error_message, warnings,
run_date, to_date, template, row_count
"""

TENANT_OF_RUN = """
select tenant_id
from `tenants.tenant_usage_events`
where pipeline_logging_id = @run_id and usage_date >= @events_since
limit 1
"""

# Finishes only an active run: a run that another command has closed stays closed.
FINISH = update(
    "`{tenant}.x_meta_pipeline_runs`",
    ("status", "duration_ms", "error_message", "row_count"),
    "pipeline_logging_id = @run_id and status in ('PENDING', 'RUNNING')",
    end_time="@now",
    warnings="parse_json(@warnings)",
    publications="parse_json(@publications)",
)

# For a run that another command has closed: what it published is still in the tables.
KEEP_PUBLICATIONS = """
update `{tenant}.x_meta_pipeline_runs` set publications = parse_json(@publications)
where pipeline_logging_id = @run_id and publications is null
"""

DROP_STEPS = "delete from `{tenant}.x_meta_step_logs` where step_logging_id in ({step_ids})"

_STEP = {
    name: f"@{name}_{{n}}"
    for name in (
        *("step_logging_id", "step_id", "step_name", "step_type", "step_index", "status"),
        *("start_time", "end_time", "duration_ms", "row_count", "error_message"),
    )
} | {
    "pipeline_logging_id": "@run_id",
    "rows_processed": "@row_count_{n}",
    "user_id": "@user_id",
    "warnings": "parse_json(@warnings_{n})",
    "metadata": "parse_json(@metadata_{n})",
}

ADD_STEPS = f"insert into `{{tenant}}.x_meta_step_logs` ({', '.join(_STEP)}) values {{step_rows}}"

STEP_ROW = f"({', '.join(_STEP.values())})"

# The run's process stops when it next reads its status.
CANCEL = """
update `{tenant}.x_meta_pipeline_runs`
set status = 'CANCELLED', end_time = @now,
    duration_ms = unix_millis(@now) - unix_millis(start_time), error_message = @error_message
where pipeline_logging_id = @run_id and status in ('PENDING', 'RUNNING')
"""

RUN_STATUS = """
select status from `{tenant}.x_meta_pipeline_runs` where pipeline_logging_id = @run_id
"""

# Without a later run that shares a date and has failed or is active.
RECENTLY_LOADED = """
select runs.pipeline_logging_id
from `{tenant}.x_meta_pipeline_runs` as runs
where runs.status = 'COMPLETED' and runs.template = @template and runs.start_time >= @since
    and runs.run_date <= @from_date and runs.to_date >= @to_date
    and not exists (
        select 1
        from `{tenant}.x_meta_pipeline_runs` as later
        where later.template = @template and later.start_time > runs.start_time
            and later.status not in ('COMPLETED', 'REFUSED')
            and later.run_date <= @to_date and later.to_date >= @from_date
    )
order by runs.start_time desc
"""

NEWEST_EVENT = """
select max(occurred_at) as newest_at
from `tenants.tenant_usage_events`
where usage_date >= @events_since
"""

COMPLETE_RUNS = """
select pipeline_logging_id from `{tenant}.x_meta_pipeline_runs` where status = 'COMPLETED'
"""

RUN = f"""
select {RUN_COLUMNS}, publications
from `{{tenant}}.x_meta_pipeline_runs`
where pipeline_logging_id = @run_id
"""

# The recorded publications of the dates; null for a dead run: then only the data has them.
RECORDED_PUBLICATIONS = """
select pipeline_logging_id, status, publications
from `{tenant}.x_meta_pipeline_runs`
where run_date <= @to_date and to_date >= @from_date
    and (
        publications is not null
        or (status in ('FAILED', 'CANCELLED') and coalesce(worker_instance, '') <> 'queue')
    )
order by start_time desc
limit 500
"""

RUNS = f"""
select {RUN_COLUMNS}
from `{{tenant}}.x_meta_pipeline_runs`
where (@status = '' or status = @status)
    and (@pipeline = '' or pipeline_id = @pipeline or template = @pipeline)
    and (@day is null or (run_date <= @day and to_date >= @day))
order by start_time desc, pipeline_logging_id
limit @limit
"""

STEPS = """
select
    step_id, step_name, step_type, step_index, status, start_time, end_time, duration_ms,
    row_count, error_message, warnings
from `{tenant}.x_meta_step_logs`
where pipeline_logging_id = @run_id
order by step_index
"""

# A landing's runs, for the tenants that read it.
LANDING_RUNS = f"""
select {RUN_COLUMNS}
from `{{tenant}}.x_meta_pipeline_runs`
where pipeline_id = @pipeline_id and status <> 'REFUSED'
    and run_date <= @to_date and to_date >= @from_date
order by start_time desc, pipeline_logging_id
"""

LOADED_DATES = """
select min(run_date) as first_date, max(to_date) as last_date
from `{tenant}.x_meta_pipeline_runs`
where status = 'COMPLETED'
"""
