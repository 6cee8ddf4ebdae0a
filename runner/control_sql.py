"""Every statement of the runner, in one dialect.

It is BigQuery's, in words that SQLite reads alike over the control tables, and DuckDB over data.
Values are always bound; `{tenant}` is a dataset's name and comes only from a validated slug.
It is quoted all the same: a tenant may be called `order`.
"""

from collections.abc import Iterable

TENANTS = """
select
    profiles.tenant_id, profiles.company_name, profiles.admin_email, profiles.status,
    profiles.subscription_plan, profiles.created_at, profiles.updated_at,
    profiles.default_pipeline,
    subscriptions.status as subscription_status, subscriptions.daily_limit,
    subscriptions.monthly_limit, subscriptions.concurrent_limit, subscriptions.trial_end_date,
    subscriptions.subscription_end_date
from `tenants.tenant_profiles` as profiles
left join `tenants.tenant_subscriptions` as subscriptions
    on profiles.tenant_id = subscriptions.tenant_id
where profiles.status <> 'DELETED'
order by profiles.tenant_id
"""

# What a run must know of one of them, a row for each of its exports.
TENANT = """
select
    profiles.company_name, profiles.admin_email, profiles.default_pipeline,
    exports.export_ref, exports.billing_account_ids, exports.project_ids, exports.has_unallocated,
    exports.updated_at as exports_updated_at
from `tenants.tenant_profiles` as profiles
left join `tenants.tenant_exports` as exports on profiles.tenant_id = exports.tenant_id
where profiles.tenant_id = @tenant_id and profiles.status <> 'DELETED'
order by exports.export_ref
"""

# Whatever columns the table has left: for who looks at a warehouse that may be damaged.
REGISTERED = "select * from `tenants.tenant_profiles` order by tenant_id"

PROFILE_STATUS = "select status from `tenants.tenant_profiles` where tenant_id = @tenant_id"

PLAN_NAME = "select plan_name from `tenants.tenant_subscriptions` where tenant_id = @tenant_id"

# All columns, so that a warehouse that lacks this one can still be repaired.
PROFILE = "select * from `tenants.tenant_profiles` where tenant_id = @tenant_id"

EXPORTS = """
select export_ref, billing_account_ids, project_ids, has_unallocated
from `tenants.tenant_exports`
where tenant_id = @tenant_id
order by export_ref
"""

# The tenant's own copy of the same, over its data.
OWN_EXPORTS = EXPORTS.replace("`tenants.tenant_exports`", "`{tenant}`.x_meta_exports")

# Who else reads an export, such as a landing.
READERS = """
select tenant_id
from `tenants.tenant_exports`
where export_ref = @export_ref and tenant_id <> @tenant_id
order by tenant_id
"""

ADD_PROFILE = """
insert into `tenants.tenant_profiles` (
    tenant_id, company_name, admin_email, tenant_dataset_id, status, subscription_plan,
    created_at, updated_at, default_pipeline
)
select
    @tenant_id, @company_name, @admin_email, @tenant_id, 'ACTIVE', @plan, @now, @now,
    @default_pipeline
from (select 1 as one_row) as one_row
where not exists (select 1 from `tenants.tenant_profiles` where tenant_id = @tenant_id)
"""

SET_PROFILE = """
update `tenants.tenant_profiles`
set company_name = @company_name, admin_email = @admin_email, subscription_plan = @plan,
    default_pipeline = @default_pipeline,
    status = case when status = 'DELETED' then 'ACTIVE' else status end, updated_at = @now
where tenant_id = @tenant_id
    and (
        coalesce(company_name, '') <> @company_name or admin_email <> @admin_email
        or subscription_plan <> @plan or status = 'DELETED'
        or coalesce(default_pipeline, '') <> coalesce(@default_pipeline, '')
    )
"""

ADD_SUBSCRIPTION = """
insert into `tenants.tenant_subscriptions` (subscription_id, tenant_id, status, created_at)
select @subscription_id, @tenant_id, 'ACTIVE', @now
from (select 1 as one_row) as one_row
where not exists (select 1 from `tenants.tenant_subscriptions` where tenant_id = @tenant_id)
"""

# Another plan brings its limits; what somebody set on the same plan stays.
SET_SUBSCRIPTION = """
update `tenants.tenant_subscriptions`
set plan_name = @plan, daily_limit = @daily_limit, monthly_limit = @monthly_limit,
    concurrent_limit = @concurrent_limit, max_team_members = @max_team_members,
    max_providers = @max_providers, max_pipelines_per_day = @daily_limit,
    max_concurrent_pipelines = @concurrent_limit, updated_at = @now
where tenant_id = @tenant_id and plan_name <> @plan
"""

# Repair fills what is null and changes nothing else: a limit that somebody set stays.
FILL_PROFILE = """
update `tenants.tenant_profiles`
set status = coalesce(status, 'SUSPENDED'), subscription_plan = coalesce(subscription_plan, @plan),
    updated_at = @now
where tenant_id = @tenant_id and (status is null or subscription_plan is null)
"""

FILL_SUBSCRIPTION = """
update `tenants.tenant_subscriptions`
set plan_name = coalesce(plan_name, @plan), status = coalesce(status, 'ACTIVE'),
    daily_limit = coalesce(daily_limit, @daily_limit),
    monthly_limit = coalesce(monthly_limit, @monthly_limit),
    concurrent_limit = coalesce(concurrent_limit, @concurrent_limit),
    max_team_members = coalesce(max_team_members, @max_team_members),
    max_providers = coalesce(max_providers, @max_providers),
    max_pipelines_per_day = coalesce(max_pipelines_per_day, daily_limit, @daily_limit),
    max_concurrent_pipelines = coalesce(
        max_concurrent_pipelines, concurrent_limit, @concurrent_limit
    ),
    updated_at = @now
where tenant_id = @tenant_id
    and (
        plan_name is null or status is null or daily_limit is null or monthly_limit is null
        or concurrent_limit is null or max_team_members is null or max_providers is null
        or max_pipelines_per_day is null or max_concurrent_pipelines is null
    )
"""

# Ends the transaction that has just written the exports of a tenant without any filter, when
# somebody else, but a landing, reads one of them, be it by a landing that takes all of it. After
# ONBOARDING_LOCK: of two that write at once, one is first.
SHARED_EXPORT = "the export is shared and has no filter"
REFUSE_SHARED = f"""
select case when count(*) > 0 then error('{SHARED_EXPORT}') end as refusal
from `tenants.tenant_exports` as own
left join `tenants.tenant_exports` as own_landing
    on own.export_ref = 'tenant:' || own_landing.tenant_id
    and own_landing.billing_account_ids = '[]' and own_landing.project_ids = '[]'
inner join `tenants.tenant_exports` as others on others.tenant_id <> own.tenant_id
left join `tenants.tenant_exports` as others_landing
    on others.export_ref = 'tenant:' || others_landing.tenant_id
    and others_landing.billing_account_ids = '[]' and others_landing.project_ids = '[]'
left join `tenants.tenant_profiles` as profiles on profiles.tenant_id = others.tenant_id
where own.tenant_id = @tenant_id
    and coalesce(own_landing.export_ref, own.export_ref)
        = coalesce(others_landing.export_ref, others.export_ref)
    and coalesce(profiles.default_pipeline, '') <> @landing
    and coalesce(profiles.status, '') <> 'DELETED'
"""

# Updated first by who adds or repairs a tenant: two at once conflict, where on BigQuery two inserts
# never do.
ONBOARDING_LOCK = """
update `tenants.tenant_lock` set locked_by = @tenant_id, locked_at = @now
where lock_name = 'onboarding'
"""

ADD_ONBOARDING_LOCK = """
insert into `tenants.tenant_lock` (lock_name, locked_by, locked_at)
select 'onboarding', @tenant_id, @now
from (select 1 as one_row) as one_row
where not exists (select 1 from `tenants.tenant_lock` where lock_name = 'onboarding')
"""

# Every export of every tenant.
ALL_EXPORTS = """
select
    exports.tenant_id, exports.export_ref, exports.billing_account_ids, exports.project_ids,
    exports.has_unallocated, coalesce(profiles.default_pipeline, '') = @landing as is_landing
from `tenants.tenant_exports` as exports
left join `tenants.tenant_profiles` as profiles on profiles.tenant_id = exports.tenant_id
where coalesce(profiles.status, '') <> 'DELETED'
order by exports.tenant_id, exports.export_ref
"""

# The same where the table of profiles is gone, or from before there were landings.
ALL_EXPORTS_ALONE = """
select
    tenant_id, export_ref, billing_account_ids, project_ids, has_unallocated, false as is_landing
from `tenants.tenant_exports`
order by tenant_id, export_ref
"""

# `table`: the central one, or the tenant's own copy.
DROP_EXPORTS = "delete from {table} where tenant_id = @tenant_id"

ADD_EXPORT = """
insert into {table} (
    export_id, tenant_id, export_ref, billing_account_ids, project_ids, has_unallocated,
    created_at, updated_at
)
values (
    @export_id_{n}, @tenant_id, @export_ref_{n}, @billing_account_ids, @project_ids,
    @has_unallocated, @now, @now
)
"""

ADD_LOCK = """
insert into `{tenant}.x_meta_lock` (lock_name, locked_by, locked_at)
select 'claim', 'tenant add', @now
from (select 1 as one_row) as one_row
where not exists (select 1 from `{tenant}.x_meta_lock` where lock_name = 'claim')
"""

SET_STATUS = """
update `tenants.tenant_profiles` set status = @status, updated_at = @now
where tenant_id = @tenant_id
"""

UPDATE_PROFILE = """
update `tenants.tenant_profiles`
set company_name = coalesce(@company_name, company_name),
    admin_email = coalesce(@admin_email, admin_email),
    subscription_plan = coalesce(@plan, subscription_plan), updated_at = @now
where tenant_id = @tenant_id
"""

# A last day of 9999-12-31 is none.
UPDATE_SUBSCRIPTION = """
update `tenants.tenant_subscriptions`
set plan_name = coalesce(@plan, plan_name),
    status = coalesce(@subscription_status, status),
    daily_limit = coalesce(@daily_limit, daily_limit),
    monthly_limit = coalesce(@monthly_limit, monthly_limit),
    concurrent_limit = coalesce(@concurrent_limit, concurrent_limit),
    max_pipelines_per_day = coalesce(@daily_limit, max_pipelines_per_day),
    max_concurrent_pipelines = coalesce(@concurrent_limit, max_concurrent_pipelines),
    max_team_members = coalesce(@max_team_members, max_team_members),
    max_providers = coalesce(@max_providers, max_providers),
    trial_end_date = nullif(coalesce(@trial_end_date, trial_end_date), @never_date),
    subscription_end_date = nullif(coalesce(@end_date, subscription_end_date), @never_date),
    updated_at = @now
where tenant_id = @tenant_id
"""

# After CLAIM_LOCK: no run is claimed between the look and the end.
DELETE_PROFILE = """
update `tenants.tenant_profiles` set status = 'DELETED', service_account = null, updated_at = @now
where tenant_id = @tenant_id
    and not exists (
        select 1 from `{tenant}.x_meta_pipeline_runs` where status in ('PENDING', 'RUNNING')
    )
"""

FORGET_TENANT = (
    "delete from `tenants.tenant_subscriptions` where tenant_id = @tenant_id",
    "delete from `tenants.tenant_exports` where tenant_id = @tenant_id",
    "delete from `tenants.tenant_api_keys` where tenant_id = @tenant_id",
)

# -- The claim: one transaction of the statements below, in this order.

# Updated first: on BigQuery a transaction that updates a row cancels any other that does.
CLAIM_LOCK = """
update `{tenant}.x_meta_lock` set locked_by = @run_id, locked_at = @now where lock_name = 'claim'
"""

CLAIM_EXPIRE_STEPS = """
update `{tenant}.x_meta_step_logs`
set status = 'FAILED', end_time = @now,
    duration_ms = unix_millis(@now) - unix_millis(start_time),
    error_message = 'lease expired: the process that ran it ended without a word'
where status = 'RUNNING' and pipeline_logging_id in (
    select pipeline_logging_id
    from `{tenant}.x_meta_pipeline_runs`
    where status in ('PENDING', 'RUNNING') and lease_expires_at <= @now
)
"""

CLAIM_EXPIRE = """
update `{tenant}.x_meta_pipeline_runs`
set status = 'FAILED', end_time = @now,
    duration_ms = unix_millis(@now) - unix_millis(start_time),
    error_message = case
        when worker_instance = 'queue'
            then 'no service took it up within a day: start one with runner serve'
        else 'lease expired: the process that ran it ended without a word'
    end
where status in ('PENDING', 'RUNNING') and lease_expires_at <= @now
"""

# Whoever ended a run, by hand in SQL too: the usage view counts starts and ends.
_MISSING = """
select
    runs.pipeline_logging_id || '-finished', runs.tenant_id, runs.pipeline_logging_id,
    'finished', runs.status, date(runs.start_time, 'UTC'), @now
from `{tenant}.x_meta_pipeline_runs` as runs
left join `tenants.tenant_usage_events` as events
    on events.tenant_id = runs.tenant_id
    and events.event_id = runs.pipeline_logging_id || '-finished'
where runs.status in ('COMPLETED', 'FAILED', 'CANCELLED') and events.event_id is null
"""

MISSING_EVENTS = f"""
insert into `tenants.tenant_usage_events` (
    event_id, tenant_id, pipeline_logging_id, event_type, run_status, usage_date, occurred_at
)
{_MISSING}
"""

# A run whose process on this host is gone is dead at once: its lease ends now.
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

# Why a run of the tenant would be refused now; null when it would not.
REFUSAL = """
select
    case
        when profiles.status <> 'ACTIVE'
            then 'tenant is ' || lower(profiles.status)
        when subscriptions.tenant_id is null
            then 'tenant has no subscription'
        when subscriptions.status not in ('ACTIVE', 'TRIAL')
            then 'subscription is ' || lower(subscriptions.status)
        when subscriptions.status = 'TRIAL' and subscriptions.trial_end_date < @today
            then format('trial ended on %t', subscriptions.trial_end_date)
        when subscriptions.subscription_end_date < @today
            then format('subscription ended on %t', subscriptions.subscription_end_date)
        when subscriptions.daily_limit is null or subscriptions.monthly_limit is null
            or subscriptions.concurrent_limit is null
            then 'subscription has no limits: a limit is not set'
        when used.runs_today >= subscriptions.daily_limit
            then format(
                'daily limit reached: %t of %t runs used today',
                used.runs_today, subscriptions.daily_limit
            )
        when used.runs_this_month >= subscriptions.monthly_limit
            then format(
                'monthly limit reached: %t of %t runs used this month',
                used.runs_this_month, subscriptions.monthly_limit
            )
        when used.active_runs >= subscriptions.concurrent_limit
            then format(
                'concurrent limit reached: %t of %t runs are active now',
                used.active_runs, subscriptions.concurrent_limit
            )
    end as refusal
from `tenants.tenant_profiles` as profiles
left join `tenants.tenant_subscriptions` as subscriptions
    on profiles.tenant_id = subscriptions.tenant_id
cross join (
    select
        count(case
            when status <> 'REFUSED' and date(start_time, 'UTC') = @today then 1
        end) as runs_today,
        count(case
            when status <> 'REFUSED' and date(start_time, 'UTC') >= @month_start then 1
        end) as runs_this_month,
        count(case when status in ('PENDING', 'RUNNING') then 1 end) as active_runs
    from `{tenant}.x_meta_pipeline_runs`
) as used
where profiles.tenant_id = @tenant_id
"""

# Before the claim: why it would be refused, beside each active run; one row at least.
LOOK_AHEAD = f"""
select
    refusals.refusal, active.pipeline_logging_id, active.worker_instance, active.pipeline_id,
    active.run_date, active.to_date, active.start_time, active.lease_expires_at
from (select 1 as one_row, refusal from ({REFUSAL}) as refused) as refusals
left join (select 1 as one_row, runs.* from ({ACTIVE_RUNS}) as runs) as active
    on refusals.one_row = active.one_row
"""

# A duplicate inserts nothing; a refusal is a row. Counted, never stored: no counter can drift.
# Who may build (@starts) and is alone is RUNNING at once, see START; else PENDING until its turn.
# Without the lock's row no two claims would conflict on BigQuery: nothing is inserted.
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
    case when refusal is null then null else @now end,
    case when refusal is null then null else 0 end,
    @config_version, @worker_instance, refusal, @from_date, @to_date, parse_json(@parameters),
    @template,
    case
        when refusal is not null then null
        when @starts and others.runs = 0 then @build_expires_at
        else @lease_expires_at
    end
from (
{REFUSAL}
) as judged
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
            pipeline_id = @pipeline_id and status in ('PENDING', 'RUNNING')
            and run_date <= @to_date and to_date >= @from_date
        )
)
    and exists (select 1 from `{{tenant}}.x_meta_lock` where lock_name = 'claim')
"""

# Refused before the claim looks at quota or dates, for a reason of the caller's.
REFUSE = """
insert into `{tenant}.x_meta_pipeline_runs` (
    pipeline_logging_id, pipeline_id, tenant_id, status, trigger_type, trigger_by, user_id,
    start_time, end_time, duration_ms, config_version, worker_instance, error_message, run_date,
    to_date, parameters, template
)
select
    @run_id, @pipeline_id, @tenant_id, 'REFUSED', @trigger_type, @trigger_by,
    @user_id, @now, @now, 0, @config_version, @worker_instance, @reason,
    @from_date, @to_date, parse_json(@parameters), @template
from (select 1 as one_row) as one_row
where not exists (
    select 1 from `{tenant}.x_meta_pipeline_runs` where pipeline_logging_id = @run_id
)
"""

# One INSERT for this run and those of others: all tenants share the table, and BigQuery lets
# only so many wait for it.
_OWN_EVENT = """
select
    runs.pipeline_logging_id
    || case when runs.status = 'REFUSED' then '-refused' else '-started' end,
    runs.tenant_id, runs.pipeline_logging_id,
    case when runs.status = 'REFUSED' then 'refused' else 'started' end,
    runs.status, date(runs.start_time, 'UTC'), runs.start_time
from `{tenant}.x_meta_pipeline_runs` as runs
left join `tenants.tenant_usage_events` as events
    on events.tenant_id = runs.tenant_id and events.pipeline_logging_id = @run_id
where runs.pipeline_logging_id = @run_id and events.event_id is null
"""

CLAIM_EVENT = f"""
insert into `tenants.tenant_usage_events` (
    event_id, tenant_id, pipeline_logging_id, event_type, run_status, usage_date, occurred_at
)
{_OWN_EVENT}
union all
{_MISSING}
"""

# The same for who has swept a moment ago.
CLAIM_OWN_EVENT = f"""
insert into `tenants.tenant_usage_events` (
    event_id, tenant_id, pipeline_logging_id, event_type, run_status, usage_date, occurred_at
)
{_OWN_EVENT}
"""

RUN_COLUMNS = """
pipeline_logging_id, pipeline_id, tenant_id, status, trigger_type, trigger_by, user_id,
start_time, end_time, duration_ms, config_version, worker_instance, error_message, warnings,
run_date, to_date, template, row_count
"""

# The own row, if there is one, and active runs that stand or stood in the way.
CLAIM_OUTCOME = f"""
select {RUN_COLUMNS}
from `{{tenant}}.x_meta_pipeline_runs`
where pipeline_logging_id = @run_id
    or (
        pipeline_id = @pipeline_id and status in ('PENDING', 'RUNNING')
        and run_date <= @to_date and to_date >= @from_date
    )
"""

# A run that waits for a service becomes one process's own: the first that asks, and only while no
# other run of the tenant builds or waits for its turn. Its tenant may have been suspended since it
# was asked for. After CLAIM_LOCK.
TAKE_UP = """
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

TAKEN_UP = f"""
select {RUN_COLUMNS} from `{{tenant}}.x_meta_pipeline_runs`
where pipeline_logging_id = @run_id and worker_instance = @worker_instance
"""

# Only from who has it: what comes late, from the spool, must not take it from who has it now.
HAND_BACK = """
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

# Who has a run that has not ended, from the one table that all tenants share.
BUSY_TENANTS = """
select distinct started.tenant_id
from `tenants.tenant_usage_events` as started
left join `tenants.tenant_usage_events` as finished
    on finished.tenant_id = started.tenant_id
    and finished.pipeline_logging_id = started.pipeline_logging_id
    and finished.event_type = 'finished' and finished.occurred_at >= @since
where started.event_type = 'started' and started.occurred_at >= @since
    and finished.event_id is null
order by started.tenant_id
"""

TENANT_OF_RUN = """
select tenant_id from `tenants.tenant_usage_events` where pipeline_logging_id = @run_id limit 1
"""

# A run builds when no other run of the tenant does and none that waits for its turn is older. Runs
# in the service's queue have no turn. After CLAIM_LOCK: of two that ask at once, one is cancelled.
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

# A run that waits for its turn is alive.
RENEW = """
update `{tenant}.x_meta_pipeline_runs` set lease_expires_at = @lease_expires_at
where pipeline_logging_id = @run_id and status = 'PENDING'
"""

# Only a run that is still active is finished: one closed by another command stays closed.
FINISH = """
update `{tenant}.x_meta_pipeline_runs`
set status = @status, end_time = @now, duration_ms = @duration_ms,
    error_message = @error_message, warnings = parse_json(@warnings),
    row_count = @row_count, publications = parse_json(@publications)
where pipeline_logging_id = @run_id and status in ('PENDING', 'RUNNING')
"""

# For a run that another command has closed: what it published stands all the same.
KEEP_PUBLICATIONS = """
update `{tenant}.x_meta_pipeline_runs`
set publications = parse_json(@publications)
where pipeline_logging_id = @run_id and publications is null
"""

# After FINISH or CANCEL, and with what the run then is.
FINISH_EVENT = """
insert into `tenants.tenant_usage_events` (
    event_id, tenant_id, pipeline_logging_id, event_type, run_status, usage_date, occurred_at
)
select
    pipeline_logging_id || '-finished', tenant_id, pipeline_logging_id, 'finished', status,
    date(start_time, 'UTC'), @now
from `{tenant}.x_meta_pipeline_runs`
where pipeline_logging_id = @run_id and status in ('COMPLETED', 'FAILED', 'CANCELLED')
    and not exists (
        select 1
        from `tenants.tenant_usage_events`
        where event_id = @run_id || '-finished'
    )
"""

DROP_STEPS = "delete from `{tenant}.x_meta_step_logs` where step_logging_id in ({step_ids})"

ADD_STEPS = """
insert into `{tenant}.x_meta_step_logs` (
    step_logging_id, pipeline_logging_id, step_id, step_name, step_type, step_index, status,
    start_time, end_time, duration_ms, row_count, rows_processed, error_message, warnings, user_id,
    metadata
)
values {step_rows}
"""

STEP_ROW = """(
    @step_logging_id_{n}, @run_id, @step_id_{n}, @step_name_{n}, @step_type_{n}, @step_index_{n},
    @status_{n}, @start_time_{n}, @end_time_{n},
    @duration_ms_{n}, @row_count_{n},
    @row_count_{n}, @error_message_{n}, parse_json(@warnings_{n}),
    @user_id, parse_json(@metadata_{n})
)"""


# Somebody's wish, not the runner's own word: the process sees it at its next look.
CANCEL_STEPS = """
update `{tenant}.x_meta_step_logs`
set status = 'CANCELLED', end_time = @now,
    duration_ms = unix_millis(@now) - unix_millis(start_time)
where status = 'RUNNING' and pipeline_logging_id in (
    select pipeline_logging_id
    from `{tenant}.x_meta_pipeline_runs`
    where pipeline_logging_id = @run_id and status in ('PENDING', 'RUNNING')
)
"""

CANCEL = """
update `{tenant}.x_meta_pipeline_runs`
set status = 'CANCELLED', end_time = @now,
    duration_ms = unix_millis(@now) - unix_millis(start_time), error_message = @error_message
where pipeline_logging_id = @run_id and status in ('PENDING', 'RUNNING')
"""

RUN_STATUS = """
select status from `{tenant}.x_meta_pipeline_runs` where pipeline_logging_id = @run_id
"""

# -- The outbox: an alert is a row before it is a mail.

# The same failure again within some hours is told once: the later row says SUPPRESSED.
ADD_FAILURE_ALERT = """
insert into `{tenant}.x_meta_alerts` (
    alert_id, pipeline_logging_id, tenant_id, pipeline_id, kind, fingerprint, status, recipients,
    subject, body_text, body_html, run_date, to_date, attempts, created_at, next_attempt_at
)
select
    @alert_id_{n}, @run_id, @tenant_id, @pipeline_id, 'failure', @fingerprint_{n},
    case when repeated.failures > 0 then 'SUPPRESSED' else 'PENDING' end,
    @recipients_{n}, @subject_{n}, @body_text_{n}, @body_html_{n}, @run_date, @to_date, 0, @now,
    @now
from (
    select count(*) as failures
    from `{tenant}.x_meta_alerts` as failure
    where kind = 'failure' and fingerprint = @fingerprint_{n} and created_at > @quiet_since
        and status in ('PENDING', 'SENDING', 'SENT')
        and not exists (
            select 1
            from `{tenant}.x_meta_alerts` as recovery
            where recovery.kind = 'recovery' and recovery.pipeline_id = @pipeline_id
                and recovery.created_at >= failure.created_at
                and recovery.run_date <= failure.to_date
                and recovery.to_date >= failure.run_date
        )
) as repeated
where not exists (select 1 from `{tenant}.x_meta_alerts` where alert_id = @alert_id_{n})
"""

# Only when a failure of these dates was told and no recovery since.
ADD_RECOVERY_ALERT = """
insert into `{tenant}.x_meta_alerts` (
    alert_id, pipeline_logging_id, tenant_id, pipeline_id, kind, fingerprint, status, recipients,
    subject, body_text, body_html, run_date, to_date, attempts, created_at, next_attempt_at
)
select
    @alert_id_{n}, @run_id, @tenant_id, @pipeline_id, 'recovery', '', 'PENDING', @recipients_{n},
    @subject_{n}, @body_text_{n}, @body_html_{n}, @run_date, @to_date, 0, @now, @now
from (select 1 as one_row) as one_row
where not exists (select 1 from `{tenant}.x_meta_alerts` where alert_id = @alert_id_{n})
    and exists (
        select 1
        from `{tenant}.x_meta_alerts` as failure
        where failure.kind = 'failure' and failure.pipeline_id = @pipeline_id
            and failure.status in ('PENDING', 'SENDING', 'SENT')
            and failure.run_date <= @to_date and failure.to_date >= @run_date
            and not exists (
                select 1
                from `{tenant}.x_meta_alerts` as recovery
                where recovery.kind = 'recovery' and recovery.pipeline_id = @pipeline_id
                    and recovery.created_at > failure.created_at
                    and recovery.pipeline_logging_id <> @run_id
                    and recovery.run_date <= failure.to_date
                    and recovery.to_date >= failure.run_date
            )
    )
"""

# A sender that died in the act is taken for dead after ten minutes (@stale_since).
_DUE = """(
        (status = 'PENDING' and next_attempt_at <= @now)
        or (status = 'SENDING' and next_attempt_at <= @stale_since)
    )"""
DUE_ALERTS = f"""
select
    alert_id, pipeline_logging_id, kind, recipients, subject, body_text, body_html, attempts,
    created_at
from `{{tenant}}.x_meta_alerts`
where {_DUE}
order by created_at, alert_id
"""

TAKE_ALERT = f"""
update `{{tenant}}.x_meta_alerts`
set status = 'SENDING', attempts = attempts + 1, next_attempt_at = @now, taken_by = @taken_by
where alert_id = @alert_id
    and {_DUE}
"""

TAKEN_ALERT = """
select alert_id from `{tenant}.x_meta_alerts`
where alert_id = @alert_id and status = 'SENDING' and taken_by = @taken_by
"""

CLOSE_ALERT = """
update `{tenant}.x_meta_alerts`
set status = @status, last_error = @last_error, next_attempt_at = @next_attempt_at,
    sent_at = @sent_at
where alert_id = @alert_id and status = 'SENDING' and taken_by = @taken_by
"""

# The mail's step has the alert's id. Somebody is at it, or will be, until it is closed.
ADD_MAIL_STEP = """
insert into `{tenant}.x_meta_step_logs` (
    step_logging_id, pipeline_logging_id, step_id, step_name, step_type, step_index, status,
    start_time, end_time, duration_ms, error_message, user_id
)
select
    alerts.alert_id, alerts.pipeline_logging_id, @mail_step_{n}, 'Mail the failure', 'notify',
    steps.next_index,
    case when alerts.status = 'SUPPRESSED' then 'SKIPPED' else 'RUNNING' end,
    @now,
    case when alerts.status = 'SUPPRESSED' then @now end,
    case when alerts.status = 'SUPPRESSED' then 0 end,
    case
        when alerts.status = 'SUPPRESSED'
            then 'the same failure was told within the quiet hours'
    end,
    @user_id
from `{tenant}.x_meta_alerts` as alerts
cross join (
    select coalesce(max(step_index), -1) + 1 as next_index
    from `{tenant}.x_meta_step_logs`
    where pipeline_logging_id = @run_id
) as steps
where alerts.alert_id = @alert_id_{n}
    and not exists (
        select 1 from `{tenant}.x_meta_step_logs` where step_logging_id = @alert_id_{n}
    )
"""

CLOSE_MAIL_STEP = """
update `{tenant}.x_meta_step_logs`
set status = @step_status, end_time = @now,
    duration_ms = unix_millis(@now) - unix_millis(start_time),
    error_message = @step_error
where step_logging_id = @alert_id
"""

# For a mail that went while the warehouse was down; its alert waited in the spool.
MARK_SENT = """
update `{tenant}.x_meta_alerts`
set status = 'SENT', attempts = 1, sent_at = @now, last_error = @last_error
where alert_id = @alert_id and status = 'PENDING'
"""

# Mostly there is nothing to tell: then this is all that is asked.
_UNTOLD = """runs.status = 'FAILED' and runs.end_time > @since
    and runs.pipeline_logging_id not in (
        select pipeline_logging_id from `{tenant}.x_meta_alerts` where kind = 'failure'
    )"""
OUTBOX = f"""
select
    (
        select count(*) from `{{tenant}}.x_meta_pipeline_runs` as runs where {_UNTOLD}
    ) as untold,
    (select count(*) from `{{tenant}}.x_meta_alerts` where {_DUE}) as due
"""

# Failures that nobody was told of: whoever closed them had no words, such as for a dead run.
UNTOLD = f"""
select runs.*, profiles.admin_email, profiles.company_name
from `{{tenant}}.x_meta_pipeline_runs` as runs
inner join `tenants.tenant_profiles` as profiles on runs.tenant_id = profiles.tenant_id
where {_UNTOLD}
order by runs.start_time
"""

# A run that has ended, and whether there is something to tell: one query for both.
ENDED = f"""
select {RUN_COLUMNS}, publications, outbox.untold, outbox.due
from `{{tenant}}.x_meta_pipeline_runs`
cross join ({OUTBOX}) as outbox
where pipeline_logging_id = @run_id
"""

# What a run that died was at.
FAILED_STEPS = """
select step_name from `{tenant}.x_meta_step_logs`
where pipeline_logging_id = @run_id and status = 'FAILED' and step_type <> 'notify'
order by step_index
"""

# What was given up long ago is history.
UNSENT_ALERTS = """
select pipeline_logging_id, subject, status, attempts, last_error, created_at
from `{tenant}.x_meta_alerts`
where status in ('PENDING', 'SENDING') or (status = 'ABANDONED' and created_at > @since)
order by created_at
"""

# Nothing that came later and shares a date may have failed, or be at it still.
LOADED_LATELY = """
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

# -- What `runner doctor` asks.

PROBE = "select 1 as answer"

NOW = "select current_timestamp as now_at"

NEWEST_EVENT = "select max(occurred_at) as newest_at from `tenants.tenant_usage_events`"

LOCK = "select 1 as there from `{tenant}.x_meta_lock` where lock_name = 'claim'"

COMPLETE_RUNS = """
select pipeline_logging_id from `{tenant}.x_meta_pipeline_runs` where status = 'COMPLETED'
"""

LOADED_DATES = """
select min(run_date) as first_date, max(to_date) as last_date
from `{tenant}.x_meta_pipeline_runs`
where status = 'COMPLETED'
"""

# Bound by partition, so that BigQuery reads a week; rows without a partition time are read, too.
NEWEST_EXPORT = """
select max(export_time) as newest
from `{tenant}`.stg_gcp_billing__export
where export_partition_time >= @since or export_partition_time is null
"""

# Of an export on BigQuery, as a dry run: whether we may read it.
PROBE_EXPORT = "select 1 as readable from `{table}` where false"

# -- What doctor asks of BigQuery alone; the first two are dry runs.

EXPORT_BYTES = """
select sum(cost) as cost
from `{tenant}`.stg_gcp_billing__export
where export_partition_time >= @since or export_partition_time is null
"""

# The operators' own way to ask for a date, which a partition filter must recognise.
BILL_BYTES = """
select sum(cost) as cost from `{tenant}`.billing_cost_daily where date(ingestion_date) = @day
"""

MAY_WRITE = """
insert into `{tenant}.x_meta_lock` (lock_name)
select lock_name from `{tenant}.x_meta_lock` where false
"""

# Where Google's partition label stands against the times in the row, in days.
PARTITION_LABELS = """
select
    count(*) as charge_rows,
    min(date_diff(date(export_partition_time), date(export_time), day)) as least_lag,
    max(date_diff(date(export_partition_time), date(export_time), day)) as most_lag,
    countif(date(export_partition_time) < date_sub(date(usage_start_time), interval 1 day))
        as unread_rows
from `{tenant}`.stg_gcp_billing__export
where export_partition_time >= @since
"""

REFUSED_JOBS = """
select
    count(*) as jobs,
    countif(error_result.reason in ('quotaExceeded', 'rateLimitExceeded', 'jobRateLimitExceeded'))
        as refused
from `{dataset}`.INFORMATION_SCHEMA.JOBS_BY_USER
where creation_time >= @since
    and statement_type in ('INSERT', 'UPDATE', 'DELETE', 'MERGE', 'SCRIPT')
"""

COLUMNS_DUCKDB = """
select lower(table_name) as table_name, lower(column_name) as column_name
from information_schema.columns
where table_schema = @dataset
"""

COLUMNS_BIGQUERY = """
select lower(table_name) as table_name, lower(column_name) as column_name
from `{dataset}`.INFORMATION_SCHEMA.COLUMNS
"""

# -- API keys. The hash is of a key with 256 random bits, so nobody can guess what it is of.

KEY_COLUMNS = "api_key_id, tenant_id, api_key_hash, scopes, is_active, expires_at, created_at"

ADD_KEY = f"""
insert into `tenants.tenant_api_keys` ({KEY_COLUMNS})
values (
    @api_key_id, @tenant_id, @api_key_hash, split(@scopes, ','), true,
    @expires_at, @now
)
"""

# The tenant's own copy, with whose key it is.
ADD_OWN_KEY = f"""
insert into `{{tenant}}.x_meta_api_keys` ({KEY_COLUMNS}, created_by, description)
values (
    @api_key_id, @tenant_id, @api_key_hash, split(@scopes, ','), true,
    @expires_at, @now, @created_by, @description
)
"""

KEY_OF_HASH = f"""
select {KEY_COLUMNS} from `tenants.tenant_api_keys` where api_key_hash = @api_key_hash
"""

KEYS = """
select
    keys.api_key_id, keys.tenant_id, keys.scopes, keys.is_active, keys.expires_at, keys.created_at,
    keys.last_used_at, own.created_by, own.description
from `tenants.tenant_api_keys` as keys
left join `{tenant}.x_meta_api_keys` as own on keys.api_key_id = own.api_key_id
where keys.tenant_id = @tenant_id
order by keys.created_at, keys.api_key_id
"""

REVOKE_KEY = """
update `{dataset}.{table}` set is_active = false
where tenant_id = @tenant_id and api_key_id = @api_key_id and is_active
"""

USED_KEY = """
update `{dataset}.{table}` set last_used_at = @last_used_at_{n}
where api_key_id = @api_key_id_{n} and coalesce(last_used_at, created_at) <= @last_used_at_{n}
"""

# -- The service account of a tenant: in its profile, which the runner obeys and the tenant's own
# account cannot write, and beside it in the tenant's dataset, with who set it and what was before.

# An account that another tenant has is not taken; an empty one clears.
SET_ACCOUNT = """
update `tenants.tenant_profiles`
set service_account = nullif(@service_account, ''), updated_at = @now
where tenant_id = @tenant_id
    and not exists (
        select 1 from `tenants.tenant_profiles` as others
        where others.tenant_id <> @tenant_id and others.service_account = @service_account
    )
"""
END_CREDENTIALS = """
update `{tenant}.x_meta_cloud_credentials`
set is_active = false, updated_at = @now
where is_active
    and exists (
        select 1 from `tenants.tenant_profiles`
        where tenant_id = @tenant_id and coalesce(service_account, '') = @service_account
    )
"""
ADD_CREDENTIALS = """
insert into `{tenant}.x_meta_cloud_credentials` (
    credential_id, tenant_id, provider, credential_type, project_id, secret_ref, created_at,
    updated_at, is_active, created_by
)
select
    @credential_id, tenant_id, 'gcp', 'impersonation', @project_id, service_account, @now, @now,
    true, @created_by
from `tenants.tenant_profiles`
where tenant_id = @tenant_id and service_account = @service_account
"""
ACCOUNT_HOLDER = """
select tenant_id from `tenants.tenant_profiles` where service_account = @service_account
"""
CREDENTIALS = """
select profiles.service_account, own.created_at, own.created_by
from `tenants.tenant_profiles` as profiles
left join `{tenant}.x_meta_cloud_credentials` as own
    on profiles.tenant_id = own.tenant_id and profiles.service_account = own.secret_ref
    and own.is_active
where profiles.tenant_id = @tenant_id
order by own.created_at desc
limit 1
"""

RUN = f"""
select {RUN_COLUMNS}, publications
from `{{tenant}}.x_meta_pipeline_runs`
where pipeline_logging_id = @run_id
"""

# What runs recorded of the dates; a null is of one that died, whose publications only its data has.
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
    and (
        @day is null
        or (run_date <= @day and to_date >= @day)
    )
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

QUOTA = """
select
    profiles.tenant_id, profiles.status, subscriptions.plan_name,
    subscriptions.status as subscription_status, subscriptions.daily_limit,
    subscriptions.monthly_limit, subscriptions.concurrent_limit,
    coalesce(used.runs_today, 0) as runs_today,
    coalesce(used.runs_this_month, 0) as runs_this_month,
    coalesce(used.active_runs, 0) as active_runs
from `tenants.tenant_profiles` as profiles
left join `tenants.tenant_subscriptions` as subscriptions
    on profiles.tenant_id = subscriptions.tenant_id
cross join (
    select
        sum(case when status <> 'REFUSED' and date(start_time, 'UTC') = @today then 1 else 0 end)
            as runs_today,
        sum(case
            when status <> 'REFUSED' and date(start_time, 'UTC') >= @month_start then 1 else 0
        end) as runs_this_month,
        sum(case
            when status in ('PENDING', 'RUNNING') and lease_expires_at > @now then 1 else 0
        end) as active_runs
    from `{tenant}.x_meta_pipeline_runs`
) as used
where profiles.tenant_id = @tenant_id
"""

# -- Over the tenant's data tables.

# What a run's expectations found, the failed ones first.
DQ_RESULTS = """
select
    target_table, severity, overall_status, expectations_passed, expectations_failed, failed_rows,
    failed_expectations, error_message, executed_at
from (
    select
        *,
        row_number() over (
            partition by target_table, severity order by executed_at desc
        ) as age
    from `{tenant}`.x_meta_dq_results
    where pipeline_logging_id = @run_id
) as results
where age = 1
order by
    case overall_status when 'FAIL' then 0 when 'WARNING' then 1 when 'SKIPPED' then 2 else 3 end,
    target_table, severity
"""

_PUBLICATION = """
    pipeline_logging_id, target_table, usage_date, row_count, net, expectations_passed,
    read_tables, published_at
"""

NEWEST_DEPLOYMENT = """
select project_hash
from `{tenant}`.x_meta_deployments
order by deployed_at desc, project_hash desc
limit 1
"""

PUBLICATIONS_OF_RUN = f"""
select {_PUBLICATION}
from (
    select
        {_PUBLICATION},
        row_number() over (
            partition by target_table, usage_date order by published_at desc
        ) as age
    from `{{tenant}}`.x_meta_publications
    where pipeline_logging_id = @run_id and usage_date between @from_date and @to_date
) as published
where age = 1
"""

# The latest publication of a table and date wins.
_LATEST = f"""
select {_PUBLICATION}
from (
    select
        {_PUBLICATION},
        row_number() over (
            partition by target_table, usage_date order by published_at desc
        ) as age
    from `{{tenant}}`.x_meta_publications
    where usage_date between @from_date and @to_date
) as published
where age = 1
"""

# What stands for the dates.
PUBLICATIONS = _LATEST

# Each of them beside those of the tables that it reads which are newer: their layers disagree.
_LAYERS = f"""
select
    latest.usage_date, latest.target_table, latest.pipeline_logging_id, latest.published_at,
    newer.pipeline_logging_id as newer_run
from ({_LATEST}) as latest
left join ({_LATEST}) as newer
    on latest.usage_date = newer.usage_date and latest.published_at < newer.published_at
    and strpos(latest.read_tables, concat('"', newer.target_table, '"')) > 0
"""

# And beside them the dates that one table, the bill, has published at all.
DISAGREEING = f"""
select distinct usage_date, target_table, newer_run
from ({_LAYERS}) as layers
where newer_run is not null or target_table = @bill
order by usage_date, target_table
"""

# Tables that never published a date which another did.
NOT_BUILT = """
select tables.target_table, dates.usage_date
from (select distinct target_table from `{tenant}`.x_meta_publications) as tables
cross join (select distinct usage_date from `{tenant}`.x_meta_publications) as dates
left join `{tenant}`.x_meta_publications as published
    on published.target_table = tables.target_table and published.usage_date = dates.usage_date
where published.usage_date is null
order by tables.target_table, dates.usage_date
"""

# Of the table that is read and those that it is made from, a date's oldest publication is named.
COSTS = f"""
select costs.*, published.pipeline_logging_id, published.published_at, published.layers_agree
from (
    select
        usage_date, service_id, max(service_description) as service_description, currency,
        sum(charge_rows) as charge_rows, sum(gross_cost) as gross_cost,
        sum(credits_total) as credits_total, sum(billed_cost) as billed_cost
    from `{{tenant}}`.cost_by_service_daily
    where usage_date between @from_date and @to_date
    group by usage_date, service_id, currency
) as costs
left join (
    select usage_date, pipeline_logging_id, published_at, newer_runs = 0 as layers_agree
    from (
        select
            usage_date, pipeline_logging_id, published_at,
            row_number() over (
                partition by usage_date order by published_at, target_table
            ) as place,
            count(newer_run) over (partition by usage_date) as newer_runs
        from ({_LAYERS}) as layers
        where target_table in ('billing_cost_daily', 'gcp_silver_cost', 'cost_by_service_daily')
    ) as placed
    where place = 1
) as published
    on costs.usage_date = published.usage_date
order by costs.usage_date, costs.currency, costs.service_id
"""

TOTALS = """
select
    currency, count(*) as charge_rows, sum(cost) as cost, sum(credits_total) as credits,
    sum(cost) + sum(credits_total) as net
from `{tenant}`.billing_cost_daily
where ingestion_date between @from_date and @to_date
group by currency
order by currency
"""

# -- What catch-up asks. The bounds on the partition are parameters, so that engines prune.

# Of a landing, for who reads it.
LANDING_RUNS = f"""
select {RUN_COLUMNS}
from `{{tenant}}.x_meta_pipeline_runs`
where pipeline_id = @pipeline_id and status <> 'REFUSED'
    and run_date <= @to_date and to_date >= @from_date
order by start_time desc, pipeline_logging_id
"""

_RUNS_TO_LOOK_AT = """
    select
        1 as one_row, tenant_id, pipeline_logging_id, pipeline_id, status, worker_instance,
        run_date, to_date, end_time, start_time, lease_expires_at
    from `{tenant}.x_meta_pipeline_runs`
    where status <> 'REFUSED'
"""

_LANDED_RUNS = _RUNS_TO_LOOK_AT.replace("{tenant}", "{dataset}")

_BESIDE_THE_MARK = """
) as runs on base.one_row = runs.one_row
left join (
    select 1 as one_row, newest_partition, exports, looked_at
    from `{tenant}.x_meta_catch_ups`
    where pipeline_id = @pipeline_id and is_complete
    order by looked_at desc
    limit 1
) as marks on base.one_row = marks.one_row
order by runs.start_time desc
"""

# All that a catch-up must know before it looks, in one query: runs, newest first, and beside each
# the mark of the last complete catch-up. One row at least.
BEFORE_A_LOOK = f"""
select runs.*, marks.newest_partition, marks.exports, marks.looked_at
from (select 1 as one_row) as base
left join (
{_RUNS_TO_LOOK_AT}
{_BESIDE_THE_MARK}
"""

# The same with the completed runs of the landing that the tenant reads, and when it last looked.
BEFORE_A_LOOK_AT_A_LANDING = f"""
select
    runs.*, marks.newest_partition, marks.exports, marks.looked_at, landing.landing_looked_at
from (select 1 as one_row) as base
cross join (
    select max(looked_at) as landing_looked_at from `{{dataset}}.x_meta_catch_ups`
) as landing
left join (
{_RUNS_TO_LOOK_AT}
    union all
{_LANDED_RUNS}
        and status = 'COMPLETED' and pipeline_id = @landing_pipeline_id
{_BESIDE_THE_MARK}
"""

ADD_CATCH_UP = """
insert into `{tenant}.x_meta_catch_ups` (
    catch_up_id, tenant_id, pipeline_id, trigger_by, looked_at, ended_at, partitions_from,
    newest_partition, exports, moved_dates, moved_ranges, run_ids, is_complete
)
values (
    @catch_up_id, @tenant_id, @pipeline_id, @trigger_by, @looked_at, @ended_at,
    @partitions_from, @newest_partition, @exports, @moved_dates,
    @moved_ranges, @run_ids, @is_complete
)
"""

EXPORTED_ROWS = """
select
    cast(usage_start_time as date) as usage_date,
    export_ref,
    cast(export_partition_time as date) as partition_date,
    count(*) as charge_rows,
    max(export_time) as newest_export_time
from `{tenant}`.stg_gcp_billing__export
where (
    (export_partition_time >= @since and export_partition_time < @before)
    or export_partition_time is null
)
    and usage_start_time >= @first_moment and usage_start_time < @end_moment
group by usage_date, export_ref, partition_date
"""

LOADED_ROWS = """
select
    ingestion_date as usage_date,
    export_ref,
    cast(export_partition_time as date) as partition_date,
    count(*) as charge_rows,
    max(export_time) as newest_export_time
from `{tenant}`.billing_cost_daily
where ingestion_date between @first_date and @last_date
group by usage_date, export_ref, partition_date
"""

# -- The same two of a landing. The cast is one that BigQuery prunes by.

LANDED_ROWS = """
select
    cast(usage_start_time as date) as usage_date,
    export_ref,
    cast(export_partition_time as date) as partition_date,
    count(*) as charge_rows,
    max(export_time) as newest_export_time
from `{tenant}`.export_landing
where cast(usage_start_time as date) between @first_date and @last_date
group by usage_date, export_ref, partition_date
"""

LANDED_TOTALS = """
select
    currency, count(*) as charge_rows, sum(cost) as cost, sum(credits_total) as credits,
    sum(cost) + sum(credits_total) as net
from `{tenant}`.export_landing
where cast(usage_start_time as date) between @from_date and @to_date
group by currency
order by currency
"""

# -- What may wait on disk, by name: a file there can name these and nothing else.

Named = tuple[str, int]

SPOOLED = {
    "FINISH": FINISH,
    "FINISH_EVENT": FINISH_EVENT,
    "DROP_STEPS": DROP_STEPS,
    "ADD_STEPS": ADD_STEPS,
    "ADD_FAILURE_ALERT": ADD_FAILURE_ALERT,
    "ADD_MAIL_STEP": ADD_MAIL_STEP,
    "ADD_RECOVERY_ALERT": ADD_RECOVERY_ALERT,
    "MARK_SENT": MARK_SENT,
    "CLOSE_MAIL_STEP": CLOSE_MAIL_STEP,
    "HAND_BACK": HAND_BACK,
    "DROP_RUN_STEPS": DROP_RUN_STEPS,
    "RUN": RUN,
    "ENDED": ENDED,
}


def texts(tenant: str, named: Iterable[Named]) -> tuple[str, ...]:
    """The statements of these names, for a tenant's dataset; `tenant` is a validated slug.

    The number: which alarm, from 0, or how many steps. On BigQuery each statement costs a second,
    so that many steps are one. Raises KeyError for a name that may not wait on disk.
    """
    return tuple(
        SPOOLED[name].format(
            tenant=tenant,
            n=number,
            step_ids=", ".join(f"@step_logging_id_{n}" for n in range(number)),
            step_rows=", ".join(STEP_ROW.format(n=n) for n in range(number)),
        )
        for name, number in named
    )
