"""Checks of one tenant."""

import shlex
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from tempfile import TemporaryDirectory

from runner.context import Context
from runner.control import claim_sql, outbox_sql, processes, quota, runs, runs_sql, tenants
from runner.dataset import data_sql, publications_sql
from runner.dates import in_words
from runner.doctor import check
from runner.doctor.check import FAIL, OK, WARN, Finding, quoted, remedy_for
from runner.engine.job import Job, Outcome
from runner.engine.process import Worker
from runner.errors import UsageProblem
from runner.onboarding import exports, records
from runner.orchestration import publications, standing
from runner.pipelines import templates
from runner.settings import Settings

ADD = "runner tenant add {} --admin-email E --export REF"

Reader = Callable[[list[tenants.Export], str], Outcome]


STALE, TOO_OLD = timedelta(hours=24), timedelta(hours=48)

GIVEN_UP_LATELY = timedelta(days=7)

# A run that was asked for over the API waits for no longer where a service runs and is not busy.
QUEUED_LONG = timedelta(minutes=15)


def check_profile(settings: Settings) -> Finding:
    """profiles.yml names a target that can be used, on BigQuery its project and location."""
    path = quoted(settings.profiles_path)
    try:
        target = settings.target({"tenant_id": "none"})
    except UsageProblem as error:
        remedy = remedy_for(
            error.message,
            ("does not exist", "runner init"),
            (r"environment variable (\w+)", "export {0}=..."),
            ("has no target", "runner doctor --target local"),
            ("", f"mv {path} {path}.broken && runner init"),
        )
        return FAIL, error.message, remedy
    if target.type == "duckdb":
        return (
            OK,
            f"{path}: target {target.name}, duckdb in {check.control_path(settings).parent}",
            None,
        )
    examples = {"project": "GCP_PROJECT=my-project", "location": "BIGQUERY_LOCATION=US"}
    for field, example in examples.items():
        if str(target.fields.get(field) or "set-").startswith("set-"):
            return FAIL, f"{path}: the {field} is not set", f"export {example}"
    return OK, f"{path}: target {target.name}, project {target.fields['project']}", None


def check_tenant_tables(context: Context, tenant: str, settings: Settings) -> Finding:
    """The tenant's control tables, its dataset and the view over its export are as declared."""
    lacking = check.lacking_columns(settings, context.store.columns(tenant), "control/runs")
    if not lacking and not context.store.read(claim_sql.LOCK.format(tenant=tenant)):
        lacking = "x_meta_lock has lost its row"
    if not lacking and (busy := _busy(context, tenant, check.is_local(settings))):
        return busy
    data = context.dataset.columns(tenant) if not lacking else {}
    lacking = lacking or check.lacking_columns(settings, data, "control/dataset", "staging")
    if lacking:
        return FAIL, lacking, f"runner tenant repair {tenant}"
    return OK, "as declared, with the view over the export", None


def check_data_tables(context: Context, tenant: str, settings: Settings) -> Finding:
    """The tenant's bill, silver and marts are as declared; runs complete and fill them."""
    dates = context.store.read(runs_sql.LOADED_DATES.format(tenant=tenant))[0]
    first, last = dates["first_date"], dates["last_date"]
    if first is None:
        yesterday = datetime.now(UTC).date() - timedelta(days=1)
        return WARN, "nothing was loaded yet", f"runner run --tenant {tenant} --date {yesterday}"
    if busy := _busy(context, tenant, check.is_local(settings)):
        return busy
    data = context.dataset.columns(tenant)
    is_landing = tenants.find(context.store, tenant).pipeline == templates.LANDING
    folders = ("landing",) if is_landing else ("billing", "silver", "marts")
    if lacking := check.lacking_columns(settings, data, *folders):
        return FAIL, lacking, f"runner run --tenant {tenant} --from {first} --to {last}"
    return OK, f"as declared; loaded from {first} to {last}", None


def check_layers(context: Context, tenant: str, local: bool) -> Finding:
    """Each date of each table is as new as what the table reads, and each was built."""
    if busy := _busy(context, tenant, local):
        return busy
    tables = context.dataset.columns(tenant)
    if "x_meta_publications" not in tables:
        return OK, "nothing is published", None
    ended = context.store.read(runs_sql.COMPLETE_RUNS.format(tenant=tenant))
    complete = {row["pipeline_logging_id"] for row in ended}
    behind, _ = publications.disagreeing(context.dataset, tenant, complete)
    if behind:
        on = in_words(tuple({row["usage_date"] for row in behind}))
        names = standing.few(sorted({row["target_table"] for row in behind}))
        told = f"layers disagree on {on}: {names} older than what they read"
        return WARN, told, f"runner catch-up --tenant {tenant}"
    missing: dict[str, list[date]] = {}
    for row in context.dataset.read(tenant, publications_sql.NOT_BUILT.format(tenant=tenant)):
        if row["target_table"] in tables:
            missing.setdefault(row["target_table"], []).append(row["usage_date"])
    if missing:
        days = sorted({day for dates in missing.values() for day in dates})
        told = f"not built: {standing.few(sorted(missing))} on {in_words(tuple(days))}"
        told += "; a table that no model makes any more can be dropped"
        return WARN, told, f"runner run --tenant {tenant} --from {days[0]} --to {days[-1]}"
    newest_first = standing.standing_lines(publications.of_data(context.dataset, tenant, complete))[
        ::-1
    ]
    more = f"; and {len(newest_first) - 3} in_words before" if len(newest_first) > 3 else ""
    return OK, "; ".join(newest_first[:3]) + more if newest_first else "nothing is published", None


def check_limits(context: Context, tenant: str, trouble: str) -> Finding:
    """A run of the tenant would not be refused now, in the claim's own words if it would."""
    now = datetime.now(UTC)
    rows = context.store.read(
        claim_sql.REFUSAL.format(tenant=tenant),
        tenant_id=tenant,
        today=now.date(),
        month_start=now.date().replace(day=1),
    )
    update = f"runner tenant update {tenant}"
    if rows[0]["refusal"]:
        remedy = remedy_for(
            rows[0]["refusal"],
            ("^tenant is", f"runner tenant resume {tenant}"),
            ("no subscription|no limits", f"runner tenant repair {tenant}"),
            ("^subscription is|^trial", f"{update} --subscription active"),
            ("^subscription ended", f"{update} --ends {now.date() + timedelta(days=365)}"),
            (r"^(\w+) limit.* of 0 ", f"{update} --{{0}}-limit 10"),
            ("^concurrent", f"runner runs --tenant {tenant} --status running"),
            (r"^(\w+) limit.* of (\d+)", f"{update} --{{0}}-limit {{1}}0"),
            ("", f"runner quota --tenant {tenant}"),
        )
        return trouble, rows[0]["refusal"], remedy
    told = quota.of(context.store, tenant)
    if not told.subscription_status:
        return FAIL, "its subscription has no status", f"runner tenant repair {tenant}"
    if "@" not in (tenants.find(context.store, tenant).admin_email or ""):
        return FAIL, "its admin has no address", f"{update} --admin-email name@example.com"
    left = ", ".join(f"{one.remaining} of {one.limit} {one.name}" for one in told.limits)
    return OK, f"active, plan {told.plan}; left: {left}", None


def check_export(context: Context, tenant: str, read: Reader, local: bool) -> Finding:
    """The tenant's exports can be opened and have the columns that a bill needs."""
    named = tenants.exports(context.store, tenant)
    if not named:
        can_repair = records.is_export_known(context, tenant)
        remedy = f"runner tenant repair {tenant}" if can_repair else ADD.format(tenant)
        return FAIL, "no export is registered", remedy
    refs = [export.ref for export in named]
    if name := tenants.landing_of(refs[0]):
        status = tenants.find(context.store, name).status.lower()
        return OK, f"{refs[0]}, which is {status}", None
    outcome = read(named, context.dataset.account_of(tenant))
    if outcome.success:
        return OK, f"{', '.join(refs)}: opens, no column is missing", None
    if not local:
        return FAIL, outcome.error or "", f"bq show --schema {refs[0].replace('.', ':', 1)}"
    one = tenants.find(context.store, tenant)
    words = ["runner", "tenant", "add", tenant, "--admin-email", one.admin_email or "E"]
    words += ["--company", one.company_name, "--plan", one.plan.lower(), "--export", "NEW_EXPORT"]
    words += [part for id in named[0].billing_accounts for part in ("--billing-account", id)]
    words += [part for id in named[0].projects for part in ("--project", id)]
    words += ["--with-unallocated"] if named[0].projects and named[0].has_unallocated else []
    return FAIL, outcome.error or "", shlex.join(words)


def reader(settings: Settings, stack: ExitStack) -> Reader:
    """Opens exports in dbt as `tenant add` does: one process for all, a new one after a failure."""
    workers: list[Worker] = []
    environ: dict[str, str] = {}

    def read(named: list[tenants.Export], account: str) -> Outcome:
        if not workers:
            environ["WAREHOUSE_DIR"] = stack.enter_context(TemporaryDirectory())
            workers.append(stack.enter_context(Worker(settings, settings.log_dir / "doctor")))
        job = Job("none", exports.check_command(named), environ=environ, account=account)
        outcome = workers[-1].run(job, timeout=300)
        if not outcome.success:
            workers.pop().stop()
        return outcome

    return read


def check_freshness(context: Context, tenant: str, local: bool) -> Finding:
    """The newest of the tenant's rows in the export is not old; in a file it may be."""
    if busy := _busy(context, tenant, local):
        return busy
    now = datetime.now(UTC)
    statement = data_sql.NEWEST_EXPORT.format(tenant=tenant)
    newest = context.dataset.read(tenant, statement, since=now - timedelta(days=7))[0]["newest"]
    age = now - newest if newest else timedelta.max
    told = f"the newest row was exported {check.minute(newest)}" if newest else "no row in 7 days"
    if age <= STALE:
        return OK, told, None
    table = tenants.exports(context.store, tenant)[0].ref.replace(".", ":", 1)
    look = f"runner tenant show {tenant}" if local else f"bq show {table}"
    return WARN if local or age <= TOO_OLD else FAIL, told, look


def check_runs(context: Context, tenant: str) -> Finding:
    """No run counts as active that nobody runs; any look at the tenant's runs closes it."""
    now = datetime.now(UTC)
    active = context.store.read(runs_sql.ACTIVE_RUNS.format(tenant=tenant))
    for row in active:
        gone = processes.is_gone(row["worker_instance"], row["start_time"])
        if row["lease_expires_at"] <= now or gone:
            who = f"run {row['pipeline_logging_id']} of {row['worker_instance']}"
            told = f"{who} is active, but its lease is over or its process is gone"
            return WARN, told, f"runner runs --tenant {tenant}"
        if row["worker_instance"] == runs.QUEUE and now - row["start_time"] > QUEUED_LONG:
            since = check.minute(row["start_time"])
            told = f"run {row['pipeline_logging_id']} waits for a service since {since}"
            return WARN, told, "runner serve"
    return OK, f"{len(active)} active, no orphan", None


def check_alerts(context: Context, tenant: str) -> Finding:
    """Every alert was sent; one that was given up long ago fails no more, but is still told."""
    now = datetime.now(UTC)
    since = now - timedelta(days=30)
    rows = context.store.read(outbox_sql.UNSENT_ALERTS.format(tenant=tenant), since=since)
    if not rows:
        return OK, "none waits", None
    given_up = [row for row in rows if row["status"] == "ABANDONED"]
    row = (given_up or rows)[-1]
    told = f"'{row['subject']}' of {check.minute(row['created_at'])} did not go"
    told += f" after {row['attempts']} attempts: {row['last_error']}"
    if not given_up:
        return WARN, told, f"runner runs --tenant {tenant}"
    status = FAIL if now - row["created_at"] < GIVEN_UP_LATELY else WARN
    return status, f"{told}; given up", f"runner doctor --tenant {tenant} --send-mail"


def _busy(context: Context, tenant: str, local: bool) -> Finding | None:
    """Why a tenant's data cannot be read now: locally a run has the file to itself."""
    now = datetime.now(UTC)
    for row in context.store.read(runs_sql.ACTIVE_RUNS.format(tenant=tenant)) if local else []:
        gone = processes.is_gone(row["worker_instance"], row["start_time"])
        if row["lease_expires_at"] > now and not gone:
            run = row["pipeline_logging_id"]
            told = f"not looked at: run {run} has the data to itself"
            return WARN, told, f"runner status {run} --tenant {tenant}"
    return None
