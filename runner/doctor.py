"""`runner doctor`: what a run needs, looked at piece by piece, and for each trouble its remedy."""

import shlex
from collections.abc import Callable, Set
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from runner import (
    claim,
    doctor_bigquery,
    machine,
    pipelines,
    publications,
    quota,
    show,
    tenants,
)
from runner import control_sql as sql
from runner.catch_up import spans
from runner.check import FAIL, OK, WARN, Check, Finding, Visit, quoted, remedy_for
from runner.errors import UsageProblem, WarehouseProblem
from runner.invoke import Job, Outcome, Worker
from runner.settings import Settings
from runner.warehouse import Warehouse, open_warehouse

Reader = Callable[[list[tenants.Export], str], Outcome]

# No command of ours holds a file for so long: whoever does is found out here.
PATIENCE_SECONDS = 5.0
CLOCK_TOLERANCE = timedelta(seconds=60)
STALE, TOO_OLD = timedelta(hours=24), timedelta(hours=48)
GIVEN_UP_LATELY = timedelta(days=7)
# A run that was asked for over the API waits for no longer where a service runs and is not busy.
QUEUED_LONG = timedelta(minutes=15)
ADD = "runner tenant add {} --admin-email E --export REF"


def examine(settings: Settings, tenant: str | None = None, send_mail: bool = False) -> list[Check]:
    """Look at everything; with `tenant` at no other tenant, but at its data tables, too."""
    visit = Visit(settings)
    visit.look("versions", machine.versions, settings)
    visit.look("templates", machine.templates, settings)
    visit.look("profile", _profile, settings)
    answers = visit.look("warehouse", _warehouse, settings, needs="profile") == OK
    warehouse = open_warehouse(settings, PATIENCE_SECONDS) if answers else None
    if answers and not _is_local(settings):
        visit.look("quota", doctor_bigquery.refused_jobs, warehouse, settings, needs="warehouse")
    visit.look("tables", _central_tables, settings, warehouse, needs="warehouse")
    visit.look("clock", _clock, warehouse, needs="warehouse")
    known = visit.look("tenants", _tenants, warehouse, tenant, needs="warehouse")
    mend = f"runner tenant repair {tenant or 'ID'}"
    visit.look("overlaps", _overlaps, warehouse, tenant, needs="tenants", remedy=mend)
    if warehouse and known == OK:
        with ExitStack() as stack:
            read = _reader(settings, stack)
            for one in [tenant] if tenant else tenants.registered(warehouse):
                _visit_tenant(visit, settings, warehouse, read, one, asked=tenant is not None)
    visit.look("spool", machine.unwritten, settings)
    bills = [_control_path(settings).parent] if answers and _is_local(settings) else []
    visit.look("privacy", machine.privacy, *bills, settings.log_dir)
    visit.look("disk", machine.room, settings)
    needs = "mail" if visit.look("mail", machine.mail_server, settings) == FAIL else None
    if send_mail:
        visit.look("test mail", machine.test_letter, settings, warehouse, tenant, needs=needs)
    return visit.checks


def _visit_tenant(
    visit: Visit,
    settings: Settings,
    warehouse: Warehouse,
    read: Reader,
    tenant: str,
    asked: bool,
) -> None:
    """The looks at one tenant. What refuses its runs is a failure only for who asks about it."""
    is_let_in = True

    def look(name: str, find: Callable[..., Finding], *more: object) -> str:
        nonlocal is_let_in
        remedy = f"runner tenant repair {tenant}"
        status = visit.look(name, find, warehouse, tenant, *more, tenant=tenant, remedy=remedy)
        is_let_in = is_let_in and not visit.is_unanswered
        return status

    local = _is_local(settings)
    # Whom its data is asked as; refused, or without an answer, each look at the data would only
    # say so again.
    is_let_in = local or look("credentials", doctor_bigquery.credentials) == OK
    if is_let_in:
        look("tables", _tenant_tables, settings)
    if is_let_in and asked:
        look("data", _data_tables, settings)
    if is_let_in and asked:
        look("layers", _layers, local)
    look("limits", _limits, FAIL if asked else WARN)
    if is_let_in and look("export", _export, read, local) == OK:
        look("freshness", _freshness, local)
        # A landing has other partitions than an export, and is looked at itself.
        if not local and not tenants.landing_of(tenants.exports(warehouse, tenant)[0].ref):
            look("pruning", doctor_bigquery.pruning)
            look("partitions", doctor_bigquery.partitions)
    if is_let_in and not local:
        look("permissions", doctor_bigquery.permissions)
    look("runs", _runs)
    look("alerts", _alerts)


def _profile(settings: Settings) -> Finding:
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
        return OK, f"{path}: target {target.name}, duckdb in {_control_path(settings).parent}", None
    examples = {"project": "GCP_PROJECT=my-project", "location": "BIGQUERY_LOCATION=US"}
    for field, example in examples.items():
        if str(target.fields.get(field) or "set-").startswith("set-"):
            return FAIL, f"{path}: the {field} is not set", f"export {example}"
    return OK, f"{path}: target {target.name}, project {target.fields['project']}", None


def _warehouse(settings: Settings) -> Finding:
    """The warehouse answers, has control tables and, if it is files, may be written."""
    warehouse = open_warehouse(settings, PATIENCE_SECONDS)
    path, local = _control_path(settings), _is_local(settings)
    folder = quoted(path.parent)
    place = quoted(path) if local else settings.target({"tenant_id": "none"}).fields["project"]
    try:
        if not local:
            machine.knock(settings)
        elif path.parent.exists():
            warehouse.prepare("none")
        if not warehouse.exists():
            return FAIL, "no tenant was ever added", "runner init" if local else ADD.format("ID")
        (warehouse.write if local else warehouse.read)(sql.PROBE)
    except WarehouseProblem as error:
        remedy = remedy_for(
            error.message,
            (r"File exists|Not a dir", 'export WAREHOUSE_DIR="$HOME/warehouse"'),
            (r"folder (\S+) cannot be written", "chmod u+rwx {0}; df -h {0}"),
            (r"process (\d+)", "ps -fp {0}"),
            (
                "is damaged",
                f"mkdir {folder}/damaged && mv {place}* {folder}/damaged/ && runner init",
            ),
            (r"^(\S+) does not take", "curl -sSI {0}"),
            ("credentials", "gcloud auth application-default login"),
            (r"cannot be (used|written)", f"chmod u+rw {place}; df -h {place}"),
            ("", f"bq --project_id={place} query --use_legacy_sql=false 'select 1'"),
        )
        return FAIL, error.message, remedy
    return OK, f"{place} answers", None


def _central_tables(settings: Settings, warehouse: Warehouse) -> Finding:
    """The tables of all tenants have the columns that their contracts declare."""
    found = warehouse.columns("tenants")
    # Locally the view of quotas is made for each query.
    views = {"tenant_usage_quotas"} if _is_local(settings) else set()
    lacking = _lacking(settings, found, "control/tenants", besides=views)
    if not lacking:
        return OK, "as declared", None
    has_profiles = "tenant_id" in found.get("tenant_profiles", ())
    anyone = next(iter(tenants.registered(warehouse)), None) if has_profiles else None
    return FAIL, lacking, f"runner tenant repair {anyone}" if anyone else ADD.format("ID")


def _clock(warehouse: Warehouse) -> Finding:
    """Our clock is the warehouse's, and no row is from the future."""
    sync, now = "sudo timedatectl set-ntp true", datetime.now(UTC)
    theirs = warehouse.read(sql.NOW)[0]["now_at"]
    if abs(theirs - now) > CLOCK_TOLERANCE:
        return WARN, f"the warehouse's clock is at {_minute(theirs)}, ours at {_minute(now)}", sync
    newest = warehouse.read(sql.NEWEST_EVENT)[0]["newest_at"]
    if newest and newest > now + CLOCK_TOLERANCE:
        return FAIL, f"the newest event is of {_minute(newest)}, and now is {_minute(now)}", sync
    return OK, f"{_minute(now)}, no event is later", None


def _tenants(warehouse: Warehouse, tenant: str | None) -> Finding:
    """There are tenants, and the one asked for is among them."""
    known = tenants.registered(warehouse)
    if tenant and tenant not in known:
        told = f"there is no tenant '{tenant}', there is {', '.join(known) or 'none'}"
        return FAIL, told, ADD.format(tenant)
    if not known:
        return WARN, "there are none yet", ADD.format("ID")
    return OK, tenant or f"{len(known)}: {', '.join(known)}", None


def _overlaps(warehouse: Warehouse, tenant: str | None) -> Finding:
    """No charge is billed to two tenants; a parent company may mean it."""
    found = [pair for pair in tenants.overlaps(warehouse) if tenant in (None, *pair[:2])]
    if not found:
        return OK, "no charge is billed to two tenants", None
    one, other, ref = found[0]
    more = f", and {len(found) - 1} more pairs of tenants share charges" if found[1:] else ""
    told = f"charges of the export {ref} are billed to both {one} and {other}{more}"
    mend = tenant or other
    words = ("runner", "tenant", "add", mend, "--admin-email")
    email = tenants.find(warehouse, mend).admin_email or "E"
    refs = [part for own in tenants.exports(warehouse, mend) for part in ("--export", own.ref)]
    return WARN, told, shlex.join([*words, email, *refs, "--billing-account", "ID"])


def _tenant_tables(warehouse: Warehouse, tenant: str, settings: Settings) -> Finding:
    """The tenant's control tables, its dataset and the view over its export are as declared."""
    lacking = _lacking(settings, warehouse.columns(tenant), "control/runs")
    if not lacking and not warehouse.read(sql.LOCK.format(tenant=tenant)):
        lacking = "x_meta_lock has lost its row"
    if not lacking and (busy := _busy(warehouse, tenant, _is_local(settings))):
        return busy
    data = warehouse.columns(tenant, data=True) if not lacking else {}
    lacking = lacking or _lacking(settings, data, "control/dataset", "staging")
    if lacking:
        return FAIL, lacking, f"runner tenant repair {tenant}"
    return OK, "as declared, with the view over the export", None


def _data_tables(warehouse: Warehouse, tenant: str, settings: Settings) -> Finding:
    """The tenant's bill, silver and marts are as declared; runs complete and fill them."""
    dates = warehouse.read(sql.LOADED_DATES.format(tenant=tenant))[0]
    first, last = dates["first_date"], dates["last_date"]
    if first is None:
        yesterday = datetime.now(UTC).date() - timedelta(days=1)
        return WARN, "nothing was loaded yet", f"runner run --tenant {tenant} --date {yesterday}"
    if busy := _busy(warehouse, tenant, _is_local(settings)):
        return busy
    data = warehouse.columns(tenant, data=True)
    is_landing = tenants.find(warehouse, tenant).pipeline == pipelines.LANDING
    folders = ("landing",) if is_landing else ("billing", "silver", "marts")
    if lacking := _lacking(settings, data, *folders):
        return FAIL, lacking, f"runner run --tenant {tenant} --from {first} --to {last}"
    return OK, f"as declared; loaded from {first} to {last}", None


def _layers(warehouse: Warehouse, tenant: str, local: bool) -> Finding:
    """Each date of each table is as new as what the table reads, and each was built."""
    if busy := _busy(warehouse, tenant, local):
        return busy
    tables = warehouse.columns(tenant, data=True)
    if "x_meta_publications" not in tables:
        return OK, "nothing is published", None
    ended = warehouse.read(sql.COMPLETE_RUNS.format(tenant=tenant))
    complete = {row["pipeline_logging_id"] for row in ended}
    behind, _ = publications.disagreeing(warehouse, tenant, complete)
    if behind:
        on = spans(tuple({row["usage_date"] for row in behind}))
        names = publications.few(sorted({row["target_table"] for row in behind}))
        told = f"layers disagree on {on}: {names} older than what they read"
        return WARN, told, f"runner catch-up --tenant {tenant}"
    missing: dict[str, list[date]] = {}
    for row in warehouse.read_data(tenant, sql.NOT_BUILT.format(tenant=tenant)):
        if row["target_table"] in tables:
            missing.setdefault(row["target_table"], []).append(row["usage_date"])
    if missing:
        days = sorted({day for dates in missing.values() for day in dates})
        told = f"not built: {publications.few(sorted(missing))} on {spans(tuple(days))}"
        told += "; a table that no model makes any more can be dropped"
        return WARN, told, f"runner run --tenant {tenant} --from {days[0]} --to {days[-1]}"
    newest_first = show.standing(publications.of_data(warehouse, tenant, complete))[::-1]
    more = f"; and {len(newest_first) - 3} spans before" if len(newest_first) > 3 else ""
    return OK, "; ".join(newest_first[:3]) + more if newest_first else "nothing is published", None


def _limits(warehouse: Warehouse, tenant: str, trouble: str) -> Finding:
    """A run of the tenant would not be refused now, in the claim's own words if it would."""
    now = datetime.now(UTC)
    rows = warehouse.read(
        sql.REFUSAL.format(tenant=tenant),
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
    told = quota.of(warehouse, tenant)
    if not told.subscription_status:
        return FAIL, "its subscription has no status", f"runner tenant repair {tenant}"
    if "@" not in (tenants.find(warehouse, tenant).admin_email or ""):
        return FAIL, "its admin has no address", f"{update} --admin-email name@example.com"
    left = ", ".join(f"{one.remaining} of {one.limit} {one.name}" for one in told.limits)
    return OK, f"active, plan {told.plan}; left: {left}", None


def _export(warehouse: Warehouse, tenant: str, read: Reader, local: bool) -> Finding:
    """The tenant's exports can be opened and have the columns that a bill needs."""
    named = tenants.exports(warehouse, tenant)
    if not named:
        can_repair = tenants.is_export_known(warehouse, tenant)
        remedy = f"runner tenant repair {tenant}" if can_repair else ADD.format(tenant)
        return FAIL, "no export is registered", remedy
    refs = [export.ref for export in named]
    if name := tenants.landing_of(refs[0]):
        status = tenants.find(warehouse, name).status.lower()
        return OK, f"{refs[0]}, which is {status}", None
    outcome = read(named, warehouse.account_of(tenant))
    if outcome.success:
        return OK, f"{', '.join(refs)}: opens, no column is missing", None
    if not local:
        return FAIL, outcome.error or "", f"bq show --schema {refs[0].replace('.', ':', 1)}"
    one = tenants.find(warehouse, tenant)
    words = ["runner", "tenant", "add", tenant, "--admin-email", one.admin_email or "E"]
    words += ["--company", one.company_name, "--plan", one.plan.lower(), "--export", "NEW_EXPORT"]
    words += [part for id in named[0].billing_accounts for part in ("--billing-account", id)]
    words += [part for id in named[0].projects for part in ("--project", id)]
    words += ["--with-unallocated"] if named[0].projects and named[0].has_unallocated else []
    return FAIL, outcome.error or "", shlex.join(words)


def _reader(settings: Settings, stack: ExitStack) -> Reader:
    """Opens exports in dbt as `tenant add` does: one process for all, a new one after a failure."""
    workers: list[Worker] = []
    environ: dict[str, str] = {}

    def read(named: list[tenants.Export], account: str) -> Outcome:
        if not workers:
            environ["WAREHOUSE_DIR"] = stack.enter_context(TemporaryDirectory())
            workers.append(stack.enter_context(Worker(settings, settings.log_dir / "doctor")))
        job = Job("none", tenants.check_command(named), environ=environ, account=account)
        outcome = workers[-1].run(job, timeout=300)
        if not outcome.success:
            workers.pop().stop()
        return outcome

    return read


def _freshness(warehouse: Warehouse, tenant: str, local: bool) -> Finding:
    """The newest of the tenant's rows in the export is not old; in a file it may be."""
    if busy := _busy(warehouse, tenant, local):
        return busy
    now = datetime.now(UTC)
    statement = sql.NEWEST_EXPORT.format(tenant=tenant)
    newest = warehouse.read_data(tenant, statement, since=now - timedelta(days=7))[0]["newest"]
    age = now - newest if newest else timedelta.max
    told = f"the newest row was exported {_minute(newest)}" if newest else "no row in 7 days"
    if age <= STALE:
        return OK, told, None
    table = tenants.exports(warehouse, tenant)[0].ref.replace(".", ":", 1)
    look = f"runner tenant show {tenant}" if local else f"bq show {table}"
    return WARN if local or age <= TOO_OLD else FAIL, told, look


def _runs(warehouse: Warehouse, tenant: str) -> Finding:
    """No run counts as active that nobody runs; any look at the tenant's runs closes it."""
    now = datetime.now(UTC)
    active = warehouse.read(sql.ACTIVE_RUNS.format(tenant=tenant))
    for row in active:
        gone = claim.is_gone(row["worker_instance"], row["start_time"])
        if row["lease_expires_at"] <= now or gone:
            who = f"run {row['pipeline_logging_id']} of {row['worker_instance']}"
            told = f"{who} is active, but its lease is over or its process is gone"
            return WARN, told, f"runner runs --tenant {tenant}"
        if row["worker_instance"] == claim.QUEUE and now - row["start_time"] > QUEUED_LONG:
            since = _minute(row["start_time"])
            told = f"run {row['pipeline_logging_id']} waits for a service since {since}"
            return WARN, told, "runner serve"
    return OK, f"{len(active)} active, no orphan", None


def _alerts(warehouse: Warehouse, tenant: str) -> Finding:
    """Every alert was sent; one that was given up long ago fails no more, but is still told."""
    now = datetime.now(UTC)
    since = now - timedelta(days=30)
    rows = warehouse.read(sql.UNSENT_ALERTS.format(tenant=tenant), since=since)
    if not rows:
        return OK, "none waits", None
    given_up = [row for row in rows if row["status"] == "ABANDONED"]
    row = (given_up or rows)[-1]
    told = f"'{row['subject']}' of {_minute(row['created_at'])} did not go"
    told += f" after {row['attempts']} attempts: {row['last_error']}"
    if not given_up:
        return WARN, told, f"runner runs --tenant {tenant}"
    status = FAIL if now - row["created_at"] < GIVEN_UP_LATELY else WARN
    return status, f"{told}; given up", f"runner doctor --tenant {tenant} --send-mail"


def _busy(warehouse: Warehouse, tenant: str, local: bool) -> Finding | None:
    """Why a tenant's data cannot be read now: locally a run has the file to itself."""
    now = datetime.now(UTC)
    for row in warehouse.read(sql.ACTIVE_RUNS.format(tenant=tenant)) if local else []:
        gone = claim.is_gone(row["worker_instance"], row["start_time"])
        if row["lease_expires_at"] > now and not gone:
            run = row["pipeline_logging_id"]
            told = f"not looked at: run {run} has the data to itself"
            return WARN, told, f"runner status {run} --tenant {tenant}"
    return None


def _lacking(
    settings: Settings,
    found: dict[str, set[str]],
    *folders: str,
    besides: Set[str] = frozenset(),
) -> str:
    """What the contracts in these folders of models/ declare and is not there; empty if all is."""
    told = []
    for folder in folders:
        for table, wanted in _contracts(settings.project_dir / "models" / folder).items():
            if table in besides:
                continue
            if table not in found:
                told.append(f"{table} is missing")
            elif lacks := wanted - found[table]:
                told.append(f"{table} lacks {', '.join(sorted(lacks))}")
    return "; ".join(told)


@cache
def _contracts(folder: Path) -> dict[str, set[str]]:
    """The columns of each model of a folder, as its YAML declares them."""
    import yaml

    return {
        model["name"]: {column["name"].lower() for column in model.get("columns", [])}
        for path in sorted(folder.glob("*.yml"))
        for model in yaml.safe_load(path.read_text(encoding="utf-8")).get("models", [])
    }


def _is_local(settings: Settings) -> bool:
    return settings.target({"tenant_id": "none"}).type == "duckdb"


def _control_path(settings: Settings) -> Path:
    return Path(str(settings.target({"tenant_id": "none"}).fields.get("path"))).with_name(
        "control.db"
    )


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
