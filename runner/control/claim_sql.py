"""Statements of a claim: one transaction, in this order."""

from runner.control.quota_sql import REFUSAL
from runner.control.runs_sql import ACTIVE_RUNS, MISSING_EVENTS, RUN_COLUMNS

# Updated first: on BigQuery a transaction that updates a row cancels any other that does.
CLAIM_LOCK = """
update `{tenant}.x_meta_lock` set locked_by = @run_id, locked_at = @now where lock_name = 'claim'
"""

# Before the claim: the refusal it would get, with each active run; at least one row.
PREVIEW = f"""
select
    refusals.refusal, active.pipeline_logging_id, active.status, active.worker_instance,
    active.pipeline_id, active.run_date, active.to_date, active.start_time, active.lease_expires_at
from (select 1 as one_row, refusal from ({REFUSAL}) as refused) as refusals
left join (select 1 as one_row, runs.* from ({ACTIVE_RUNS}) as runs) as active
    on refusals.one_row = active.one_row
"""

# A duplicate inserts nothing, unless the caller gives a @reason to refuse; a refusal is a row.
# A run that may start (@starts) and is the tenant's only one is RUNNING at once, see START; else it
# is PENDING until its turn. Without the lock's row, two claims would not conflict on BigQuery:
# nothing is inserted.
CLAIM_INSERT = f"""
insert into `{{tenant}}.x_meta_pipeline_runs` (
    pipeline_logging_id, pipeline_id, tenant_id, status, trigger_type, trigger_by, user_id,
    start_time, end_time, duration_ms, config_version, worker_instance, error_message, run_date,
    to_date, parameters, template, lease_expires_at
)
select
    @run_id, @pipeline_id, @tenant_id,
    case
        when refusal is not null then 'REFUSED'
        when @starts and others.runs = 0 then 'RUNNING'
        else 'PENDING'
    end,
    @trigger_type, @trigger_by, @user_id, @now,
    case when refusal is not null then @now end,
    case when refusal is not null then 0 end,
    @config_version, @worker_instance, refusal, @from_date, @to_date, parse_json(@parameters),
    @template,
    case
        when refusal is not null then null
        when @starts and others.runs = 0 then @build_expires_at
        else @lease_expires_at
    end
from (select coalesce(@reason, refusal) as refusal from ({REFUSAL}) as refusals) as judged
cross join (
    select count(*) as runs
    from `{{tenant}}.x_meta_pipeline_runs`
    where status in ('PENDING', 'RUNNING') and coalesce(worker_instance, '') <> @queue
) as others
where not exists (
    select 1
    from `{{tenant}}.x_meta_pipeline_runs`
    where pipeline_logging_id = @run_id
        or (
            @reason is null and pipeline_id = @pipeline_id and status in ('PENDING', 'RUNNING')
            and run_date <= @to_date and to_date >= @from_date
        )
)
    and (
        @reason is not null
        or exists (select 1 from `{{tenant}}.x_meta_lock` where lock_name = 'claim')
    )
"""

# One INSERT for this run and others: all tenants share the table, and BigQuery queues only a
# limited number of statements for a table.
CLAIM_EVENT = f"""
{MISSING_EVENTS}
union all
select
    runs.pipeline_logging_id
    || case when runs.status = 'REFUSED' then '-refused' else '-started' end,
    runs.tenant_id, runs.pipeline_logging_id,
    case when runs.status = 'REFUSED' then 'refused' else 'started' end,
    runs.status, date(runs.start_time, 'UTC'), runs.start_time
from `{{tenant}}.x_meta_pipeline_runs` as runs
left join `tenants.tenant_usage_events` as events
    on events.tenant_id = @tenant_id and events.usage_date >= @events_since
    and events.pipeline_logging_id = @run_id
where runs.pipeline_logging_id = @run_id and events.event_id is null
"""

# The claimed run's row, if it was inserted, and active runs that have some of the dates.
CLAIM_OUTCOME = f"""
select {RUN_COLUMNS}
from `{{tenant}}.x_meta_pipeline_runs`
where pipeline_logging_id = @run_id
    or (
        pipeline_id = @pipeline_id and status in ('PENDING', 'RUNNING')
        and run_date <= @to_date and to_date >= @from_date
    )
"""

LOCK = "select 1 as found from `{tenant}.x_meta_lock` where lock_name = 'claim'"
