"""Statements of a run's turn and of the queue of `runner serve`."""

# The first process that asks gets a queued run, while no other run of the tenant builds or waits
# for its turn and the tenant is not suspended. After CLAIM_LOCK.
DEQUEUE = """
update `{tenant}.x_meta_pipeline_runs`
set status = 'RUNNING', worker_instance = @worker_instance, lease_expires_at = @lease_expires_at
where pipeline_logging_id = @run_id and status = 'PENDING' and worker_instance = @queue
    and exists (
        select 1 from `tenants.tenant_profiles` where tenant_id = @tenant_id and status = 'ACTIVE'
    )
    and not exists (
        select 1
        from `{tenant}.x_meta_pipeline_runs`
        where status in ('PENDING', 'RUNNING') and coalesce(worker_instance, '') <> @queue
    )
"""

# Only from its worker @me: a late statement from the spool must not take the run from another.
REQUEUE = """
update `{tenant}.x_meta_pipeline_runs`
set status = 'PENDING', worker_instance = @queue, lease_expires_at = @lease_expires_at
where pipeline_logging_id = @run_id and status = 'RUNNING' and worker_instance = @me
"""

DROP_RUN_STEPS = """
delete from `{tenant}.x_meta_step_logs`
where pipeline_logging_id in (
    select pipeline_logging_id
    from `{tenant}.x_meta_pipeline_runs`
    where pipeline_logging_id = @run_id and status = 'PENDING'
)
"""

# Tenants with a run that has not ended, from the one table that all tenants share.
BUSY_TENANTS = """
select distinct started.tenant_id
from `tenants.tenant_usage_events` as started
left join `tenants.tenant_usage_events` as finished
    on finished.tenant_id = started.tenant_id
    and finished.pipeline_logging_id = started.pipeline_logging_id
    and finished.event_type = 'finished' and finished.occurred_at >= @since
    and finished.usage_date >= date(@since, 'UTC')
where started.event_type = 'started' and started.occurred_at >= @since
    and started.usage_date >= date(@since, 'UTC') and finished.event_id is null
order by started.tenant_id
"""

# A run starts when no other run of the tenant builds and none that waits for its turn is older.
# Runs in the service's queue have no turn. After CLAIM_LOCK: of two at once, one is cancelled.
START = """
update `{tenant}.x_meta_pipeline_runs`
set status = 'RUNNING', lease_expires_at = @lease_expires_at
where pipeline_logging_id = @run_id and status = 'PENDING'
    and not exists (
        select 1
        from `{tenant}.x_meta_pipeline_runs`
        where coalesce(worker_instance, '') <> @queue and pipeline_logging_id <> @run_id
            and (
                status = 'RUNNING'
                or (
                    status = 'PENDING'
                    and (
                        start_time < @start_time
                        or (start_time = @start_time and pipeline_logging_id < @run_id)
                    )
                )
            )
    )
"""

# A run that waits for its turn keeps its lease.
RENEW = """
update `{tenant}.x_meta_pipeline_runs` set lease_expires_at = @lease_expires_at
where pipeline_logging_id = @run_id and status = 'PENDING'
"""
