"""Statements of the outbox: an alert is written as a row before it is sent as a mail."""

from runner.control.runs_sql import RUN_COLUMNS
from runner.control.statements import update

_ADD_ALERT = """
insert into `{tenant}.x_meta_alerts` (
    alert_id, pipeline_logging_id, tenant_id, pipeline_id, recipients, subject, body_text,
    body_html, run_date, to_date, attempts, created_at, next_attempt_at, kind, fingerprint, status
)
select
    @alert_id_{n}, @run_id, @tenant_id, @pipeline_id, @recipients_{n}, @subject_{n},
    @body_text_{n}, @body_html_{n}, @run_date, @to_date, 0, @now, @now,"""

# A failure that repeats within the quiet hours is mailed once: later rows are SUPPRESSED.
ADD_FAILURE_ALERT = f"""{_ADD_ALERT}
    'failure', @fingerprint_{{n}},
    case when repeated.failures > 0 then 'SUPPRESSED' else 'PENDING' end
from (
    select count(*) as failures
    from `{{tenant}}.x_meta_alerts` as failure
    where kind = 'failure' and fingerprint = @fingerprint_{{n}} and created_at > @quiet_since
        and status in ('PENDING', 'SENDING', 'SENT')
        and not exists (
            select 1
            from `{{tenant}}.x_meta_alerts` as recovery
            where recovery.kind = 'recovery' and recovery.pipeline_id = @pipeline_id
                and recovery.created_at >= failure.created_at
                and recovery.run_date <= failure.to_date
                and recovery.to_date >= failure.run_date
        )
) as repeated
where not exists (select 1 from `{{tenant}}.x_meta_alerts` where alert_id = @alert_id_{{n}})
"""

# Only after a reported failure of these dates without a recovery since.
ADD_RECOVERY_ALERT = f"""{_ADD_ALERT}
    'recovery', '', 'PENDING'
from (select 1 as one_row) as one_row
where not exists (select 1 from `{{tenant}}.x_meta_alerts` where alert_id = @alert_id_{{n}})
    and exists (
        select 1
        from `{{tenant}}.x_meta_alerts` as failure
        where failure.kind = 'failure' and failure.pipeline_id = @pipeline_id
            and failure.status in ('PENDING', 'SENDING', 'SENT')
            and failure.run_date <= @to_date and failure.to_date >= @run_date
            and not exists (
                select 1
                from `{{tenant}}.x_meta_alerts` as recovery
                where recovery.kind = 'recovery' and recovery.pipeline_id = @pipeline_id
                    and recovery.created_at > failure.created_at
                    and recovery.pipeline_logging_id <> @run_id
                    and recovery.run_date <= failure.to_date
                    and recovery.to_date >= failure.run_date
            )
    )
"""

# A sender counts as dead ten minutes after it took the alert (@stale_since).
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
where alert_id = @alert_id and {_DUE}
"""

TAKEN_ALERT = """
select alert_id from `{tenant}.x_meta_alerts`
where alert_id = @alert_id and status = 'SENDING' and taken_by = @taken_by
"""

CLOSE_ALERT = update(
    "`{tenant}.x_meta_alerts`",
    ("status", "last_error", "next_attempt_at", "sent_at"),
    "alert_id = @alert_id and status = 'SENDING' and taken_by = @taken_by",
)

# The mail's step has the alert's id. It is RUNNING until a command sends or abandons the mail.
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
    case when alerts.status = 'SUPPRESSED' then 'reported already within the quiet hours' end,
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
    duration_ms = unix_millis(@now) - unix_millis(start_time), error_message = @step_error
where step_logging_id = @alert_id
"""

# For a mail that was sent while the warehouse was down and its alert was in the spool.
MARK_SENT = """
update `{tenant}.x_meta_alerts`
set status = 'SENT', attempts = 1, sent_at = @now, last_error = @last_error
where alert_id = @alert_id and status = 'PENDING'
"""

# Usually nothing is due; then OUTBOX is the only query.
_UNREPORTED = """runs.status = 'FAILED' and runs.end_time > @since
    and runs.pipeline_logging_id not in (
        select pipeline_logging_id from `{tenant}.x_meta_alerts` where kind = 'failure'
    )"""

OUTBOX = f"""
select
    (
        select count(*) from `{{tenant}}.x_meta_pipeline_runs` as runs where {_UNREPORTED}
    ) as unreported,
    (select count(*) from `{{tenant}}.x_meta_alerts` where {_DUE}) as due
"""

# Failures without an alert, such as of a dead run.
UNREPORTED = f"""
select runs.*, profiles.admin_email, profiles.company_name
from `{{tenant}}.x_meta_pipeline_runs` as runs
inner join `tenants.tenant_profiles` as profiles on runs.tenant_id = profiles.tenant_id
where {_UNREPORTED}
order by runs.start_time
"""

# A run that has ended, and the number of alerts to send: one query for both.
ENDED = f"""
select {RUN_COLUMNS}, publications, outbox.unreported, outbox.due
from `{{tenant}}.x_meta_pipeline_runs`
cross join ({OUTBOX}) as outbox
where pipeline_logging_id = @run_id
"""

# The steps in which a dead run ended.
FAILED_STEPS = """
select step_name from `{tenant}.x_meta_step_logs`
where pipeline_logging_id = @run_id and status = 'FAILED' and step_type <> 'notify'
order by step_index
"""

# Without alerts that were abandoned before @since.
UNSENT_ALERTS = """
select pipeline_logging_id, subject, status, attempts, last_error, created_at
from `{tenant}.x_meta_alerts`
where status in ('PENDING', 'SENDING') or (status = 'ABANDONED' and created_at > @since)
order by created_at
"""
