"""Checks of one tenant."""

import re
import shlex
from datetime import UTC, date, datetime, timedelta

from runner.control import claim_sql, outbox_sql, processes, quota, quota_sql, runs_sql, tenants
from runner.control.runs import QUEUE
from runner.dataset import data_sql, publications_sql
from runner.dates import in_words
from runner.doctor import contracts
from runner.doctor.check import CheckResult, Scope, fail, minute, ok, remedy_for, warn
from runner.engine.job import Job, Outcome
from runner.onboarding import exports, records
from runner.orchestration import publications, standing
from runner.pipelines import templates
from runner.sql import Row

STALE, TOO_OLD = timedelta(hours=24), timedelta(hours=48)
ABANDONED_RECENTLY = timedelta(days=7)
# A queued run waits longer than this only when no service is running or all are busy.
QUEUED_LONG = timedelta(minutes=15)


def tables(scope: Scope) -> CheckResult:
    """The tenant's control tables, dataset and view over its export are as declared."""
    tenant, store, project = scope.tenant, scope.store, scope.settings.project_dir
    lacking = contracts.lacking(project, store.columns(tenant), "control/runs")
    if not lacking and not store.read(claim_sql.LOCK.format(tenant=tenant)):
        lacking = "x_meta_lock has no row"
    if not lacking:
        if in_use := _in_use(scope):
            return in_use
        data = scope.dataset.columns(tenant)
        lacking = contracts.lacking(project, data, "control/dataset", "staging")
    if lacking:
        return fail(lacking)
    return ok("as declared, with the view over the export")


def data(scope: Scope) -> CheckResult:
    """The tables of the bill, which runs create and fill, are as declared."""
    tenant, store = scope.tenant, scope.store
    loaded = store.read(runs_sql.LOADED_DATES.format(tenant=tenant))[0]
    first, last = loaded["first_date"], loaded["last_date"]
    if first is None:
        yesterday = datetime.now(UTC).date() - timedelta(days=1)
        return warn("no date was loaded yet", f"runner run --tenant {tenant} --date {yesterday}")
    if in_use := _in_use(scope):
        return in_use
    is_landing = tenants.find(store, tenant).pipeline == templates.LANDING
    folders = ("landing",) if is_landing else ("billing", "silver", "marts")
    columns = scope.dataset.columns(tenant)
    if lacking := contracts.lacking(scope.settings.project_dir, columns, *folders):
        remedy = f"runner run --tenant {tenant} --from {first} --to {last}"
        if " lacks " in lacking:  # a run adds columns only when it deploys the project
            remedy = f"runner tenant repair {tenant} && {remedy}"
        return fail(lacking, remedy)
    return ok(f"as declared; loaded from {first} to {last}")


def layers(scope: Scope) -> CheckResult:
    """Each date of each table was built, and is not older than the tables that it reads."""
    if in_use := _in_use(scope):
        return in_use
    tenant, dataset = scope.tenant, scope.dataset
    columns = dataset.columns(tenant)
    if "x_meta_publications" not in columns:
        return ok("nothing is published")
    ended = scope.store.read(runs_sql.COMPLETE_RUNS.format(tenant=tenant))
    complete = {row["pipeline_logging_id"] for row in ended}
    behind, _ = publications.disagreeing(dataset, tenant, complete)
    if behind:
        names, days = _tables_and_days(behind)
        detail = f"layers disagree on {in_words(days)}: {names} older than what they read"
        return warn(detail, f"runner catch-up --tenant {tenant}")
    missing = dataset.read(tenant, publications_sql.NOT_BUILT.format(tenant=tenant))
    if missing := [row for row in missing if row["target_table"] in columns]:
        names, days = _tables_and_days(missing)
        detail = f"not built: {names} on {in_words(days)}"
        detail += "; a table without a model can be dropped"
        return warn(detail, f"runner run --tenant {tenant} --from {days[0]} --to {days[-1]}")
    newest_first = standing.standing_lines(publications.of_data(dataset, tenant, complete))[::-1]
    more = f"; and {len(newest_first) - 3} ranges before" if len(newest_first) > 3 else ""
    return ok("; ".join(newest_first[:3]) + more if newest_first else "nothing is published")


def _tables_and_days(rows: list[Row]) -> tuple[str, list[date]]:
    """The tables in the rows as text, and their dates in order."""
    names = standing.few(sorted({row["target_table"] for row in rows}))
    return names, sorted({row["usage_date"] for row in rows})


def limits(scope: Scope) -> CheckResult:
    """A run of the tenant would not be refused now; else the message is that of the claim."""
    tenant, store, now = scope.tenant, scope.store, datetime.now(UTC)
    update = f"runner tenant update {tenant}"
    refusal = store.read(
        quota_sql.REFUSAL.format(tenant=tenant), tenant_id=tenant, **quota.times(now)
    )[0]["refusal"]
    if refusal:
        remedy = remedy_for(
            refusal,
            ("^tenant is", f"runner tenant resume {tenant}"),
            ("no subscription|no limits", f"runner tenant repair {tenant}"),
            ("^subscription is|^trial", f"{update} --subscription active"),
            ("^subscription ended", f"{update} --ends {now.date() + timedelta(days=365)}"),
            (r"^(\w+) limit.* of 0 ", f"{update} --{{0}}-limit 10"),
            ("^concurrent", f"runner runs --tenant {tenant} --status running"),
            (r"^(\w+) limit.* of (\d+)", f"{update} --{{0}}-limit {{1}}0"),
            ("", f"runner quota --tenant {tenant}"),
        )
        # When all tenants are checked, one may be suspended intentionally.
        return (fail if scope.is_named else warn)(refusal, remedy)
    found = quota.of(store, tenant)
    if not found.subscription_status:
        return fail("its subscription has no status")
    if "@" not in (tenants.find(store, tenant).admin_email or ""):
        return fail("its admin email is not valid", f"{update} --admin-email name@example.com")
    left = ", ".join(f"{one.remaining} of {one.limit} {one.name}" for one in found.limits)
    return ok(f"active, plan {found.plan}; left: {left}")


def export(scope: Scope) -> CheckResult:
    """The tenant's exports can be opened and have the required columns."""
    tenant, store = scope.tenant, scope.store
    if not scope.exports:
        is_known = bool(records.exports_on_record(scope.opened(), tenant))
        return fail("no export is registered", None if is_known else scope.add)
    refs = [export.ref for export in scope.exports]
    if landing := tenants.landing_of(refs[0]):
        return ok(f"{refs[0]}, which is {tenants.find(store, landing).status.lower()}")
    outcome = _opened(scope)
    if outcome.success:
        return ok(f"{', '.join(refs)}: opens, no column is missing")
    if scope.engine == "bigquery":
        return fail(outcome.error or "", f"bq show --schema {refs[0].replace('.', ':', 1)}")
    # Values that are not named are kept: company, plan, accounts and projects.
    email = tenants.find(store, tenant).admin_email or "E"
    add = shlex.join(("runner", "tenant", "add", tenant, "--admin-email", email))
    if re.search("not found| lacks ", error := outcome.error or ""):
        return fail(error, f"{add} --export NEW_EXPORT")
    detail = f"{error} Once that is corrected, check again."
    return fail(detail, f"runner doctor --tenant {tenant}")


def _opened(scope: Scope) -> Outcome:
    """The outcome of opening the exports in dbt, as `tenant add` does, in an empty warehouse."""
    job = Job(
        "none",
        exports.check_command(scope.exports),
        environ={"WAREHOUSE_DIR": scope.scratch},
        log_path=scope.settings.log_dir / "doctor",
        account=scope.dataset.account_of(scope.tenant),
    )
    with scope.opened().pool.lend() as worker:
        outcome = worker.run(job, timeout=300)
        if not outcome.success:
            worker.stop()  # the next tenant's export is opened by a new process
        return outcome


def freshness(scope: Scope) -> CheckResult:
    """The newest of the tenant's rows in the export is recent; for files, only a warning."""
    if in_use := _in_use(scope):
        return in_use
    tenant, now = scope.tenant, datetime.now(UTC)
    statement = data_sql.NEWEST_EXPORT.format(tenant=tenant)
    since = now - timedelta(days=7)
    newest = scope.dataset.read(tenant, statement, since=since)[0]["newest"]
    age = now - newest if newest else timedelta.max
    detail = f"the newest row was exported {minute(newest)}" if newest else "no row for 7 days"
    if age <= STALE:
        return ok(detail)
    if scope.engine == "duckdb":
        newer = f"{detail}; once the files have newer rows, catch-up loads them"
        return warn(newer, f"runner catch-up --tenant {tenant}")
    table = scope.exports[0].ref.replace(".", ":", 1)
    return (warn if age <= TOO_OLD else fail)(detail, f"bq show {table}")


def runs(scope: Scope) -> CheckResult:
    """No active run is dead; commands for the tenant's runs close dead runs."""
    now, active = datetime.now(UTC), _active_runs(scope)
    for row in active:
        run = f"run {row['pipeline_logging_id']}"
        if not _is_alive(row, now):
            detail = f"{run} of {row['worker_instance']} is active, but its lease has expired or"
            return warn(f"{detail} its process has exited", f"runner runs --tenant {scope.tenant}")
        is_queued = row["worker_instance"] == QUEUE
        if is_queued and now - row["start_time"] > QUEUED_LONG:
            detail = f"{run} has waited for a service since {minute(row['start_time'])}"
            return warn(detail, "runner serve")
    return ok(f"{len(active)} active, none dead")


def alerts(scope: Scope) -> CheckResult:
    """Every alert was sent; one that was abandoned over 7 days ago is only a warning."""
    now = datetime.now(UTC)
    statement = outbox_sql.UNSENT_ALERTS.format(tenant=scope.tenant)
    rows = scope.store.read(statement, since=now - timedelta(days=30))
    if not rows:
        return ok("no alert is unsent")
    abandoned = [row for row in rows if row["status"] == "ABANDONED"]
    row = (abandoned or rows)[-1]
    detail = f"'{row['subject']}' of {minute(row['created_at'])} was not sent"
    detail += f" after {row['attempts']} attempts: {row['last_error']}"
    if not abandoned:
        return warn(detail, f"runner runs --tenant {scope.tenant}")
    is_new = now - row["created_at"] < ABANDONED_RECENTLY
    remedy = f"runner doctor --tenant {scope.tenant} --send-mail"
    return (fail if is_new else warn)(f"{detail}; it was abandoned", remedy)


def _active_runs(scope: Scope) -> list[Row]:
    return scope.store.read(runs_sql.ACTIVE_RUNS.format(tenant=scope.tenant))


def _is_alive(row: Row, now: datetime) -> bool:
    """Whether an active run has a valid lease, and its process has not exited on this host."""
    has_ended = processes.process_exited(row["worker_instance"], row["start_time"])
    return row["lease_expires_at"] > now and not has_ended


def _in_use(scope: Scope) -> CheckResult | None:
    """A warning while a run has the tenant's local file, which only one process can open."""
    now = datetime.now(UTC)
    for row in _active_runs(scope) if scope.engine == "duckdb" else []:
        if _is_alive(row, now):
            run = row["pipeline_logging_id"]
            status = f"runner status {run} --tenant {scope.tenant}"
            return warn(f"skipped: run {run} is using the data", status)
    return None
