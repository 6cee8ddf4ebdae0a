"""Checks on BigQuery alone: of what no emulator proves of a real project."""

from datetime import UTC, datetime, timedelta

from runner import sql
from runner.control import tenants
from runner.doctor import doctor_sql
from runner.doctor.check import CheckResult, Scope, fail, ok, remedy_for, warn
from runner.errors import StatementRefused, UsageProblem, WarehouseProblem
from runner.orchestration import moved

DAY = timedelta(days=1)


def is_used(scope: Scope) -> bool:
    return scope.engine == "bigquery"


def reads_a_table(scope: Scope) -> bool:
    """Whether it is BigQuery and no landing, which has other partitions and is checked itself."""
    return is_used(scope) and not tenants.landing_of(scope.exports[0].ref)


def credentials(scope: Scope) -> CheckResult:
    """The process can act as the tenant's account, and that may run jobs: by a dry run."""
    try:
        account = scope.dataset.account_of(scope.tenant)
        if not account:
            return ok("no account of its own: the process's is used")
        scope.dataset.bytes_read(scope.tenant, sql.PROBE)
    except WarehouseProblem as error:
        show = f"runner tenant credentials show --tenant {scope.tenant}"
        pairs = ("`(gcloud [^`]*)`", "{0}"), ("", show)
        return fail(error.message, remedy_for(error.message, *pairs))
    return ok(f"acts as {account}, which may run jobs")


def pruning(scope: Scope) -> CheckResult:
    """Dry runs: a day of the export is read at the price of a day, and a date of the bill is."""
    tenant, dataset = scope.tenant, scope.dataset
    now, show = datetime.now(UTC), f"runner tenant show {scope.tenant}"
    export = doctor_sql.EXPORT_BYTES.format(tenant=tenant)
    day = dataset.bytes_read(tenant, export, since=now - DAY) or 0
    whole = dataset.bytes_read(tenant, export, since=datetime(1970, 1, 1, tzinfo=UTC)) or 0
    try:
        bill = doctor_sql.BILL_BYTES.format(tenant=tenant)
        dataset.bytes_read(tenant, bill, day=(now - DAY).date())
    except StatementRefused as error:
        if type(error.__cause__).__name__ != "NotFound":  # before the first run
            return fail(f"a date of the bill cannot be queried: {error.message}", show)
    detail = f"a day of the export reads {day:,} bytes, all of it {whole:,}"
    if whole == 0:
        return warn(f"{detail}: nothing to judge pruning by", show)
    if day >= whole:
        ref = scope.exports[0].ref.replace(".", ":", 1)
        detail += ": every run reads every partition"
        return fail(detail, f"bq show --format=prettyjson {ref}")
    return ok(detail)


def partitions(scope: Scope) -> CheckResult:
    """Google's partition labels are where the extraction reads a date's rows."""
    statement = doctor_sql.PARTITION_LABELS.format(tenant=scope.tenant)
    since = datetime.now(UTC) - 7 * DAY
    (row,) = scope.dataset.read(scope.tenant, statement, since=since)
    if not row["charge_rows"]:
        return warn("no row in 7 days", f"runner tenant show {scope.tenant}")
    detail = f"labels are {row['least_lag']} to {row['most_lag']} days after the export's UTC date"
    seen = scope.store.read(doctor_sql.LAG.format(tenant=scope.tenant))[0]["lag_days"] or 0
    seen = max(seen, -row["least_lag"])
    detail += f"; a partition stood at most {seen} days before a row's export so far, and catch-up"
    detail += f" looks {moved.margin(seen).days} days before its mark"
    if row["unread_rows"]:
        detail += f"; {row['unread_rows']} rows stand more than a day before their usage"
        run = f"runner run --tenant {scope.tenant} --date D"
        return fail(detail, f"{run}  # its reconciliation names them")
    return ok(detail)


def permissions(scope: Scope) -> CheckResult:
    """Jobs may be run and listed, and the tenant's dataset written: by a dry run of an insert."""
    statement = doctor_sql.MAY_WRITE.format(tenant=scope.tenant)
    scope.dataset.bytes_read(scope.tenant, statement)
    scope.store.cancel_jobs(scope.tenant, ())
    return ok(f"may run and list jobs, and write {scope.tenant}")


def time_zone(scope: Scope) -> CheckResult:
    """A note: the zone of times that name none, of which no statement of ours has any."""
    (row,) = scope.store.read(doctor_sql.TIME_ZONE)
    zone = row["time_zone"]
    detail = f"the session's time zone is {zone}; every statement of the project names UTC itself"
    return ok(detail if zone == "UTC" else f"{detail}, and your own queries must do so, too")


def refused_jobs(scope: Scope) -> CheckResult:
    """None of our writing jobs of a day was refused for a rate or a quota."""
    fields = scope.target.fields
    region = str(fields.get("location") or "US").lower()
    if not all(part.isalnum() for part in region.split("-")):
        raise UsageProblem(f"'{region}' is no BigQuery location: set BIGQUERY_LOCATION.")
    statement = doctor_sql.REFUSED_JOBS.format(dataset=f"region-{region}")
    (row,) = scope.store.read(statement, since=datetime.now(UTC) - DAY)
    refused = f"{row['refused']} refused for a rate or a quota"
    detail = f"{row['jobs']} writing jobs in 24 hours, {refused}"
    if row["refused"]:
        listed = "gcloud alpha services quota list --service=bigquery.googleapis.com"
        return warn(detail, f"{listed} --consumer=projects/{fields['project']}")
    return ok(detail)
