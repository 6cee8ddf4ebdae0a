"""Checks of a real BigQuery project, for what tests on the emulator cannot show."""

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
    """Whether the tenant reads a table on BigQuery: a landing is checked as a tenant of its own."""
    return is_used(scope) and not tenants.landing_of(scope.exports[0].ref)


def credentials(scope: Scope) -> CheckResult:
    """The process can act as the tenant's account, and that may run jobs: by a dry run."""
    try:
        account = scope.dataset.account_of(scope.tenant)
        if not account:
            return ok("no service account is set: the process's own account is used")
        scope.dataset.bytes_read(scope.tenant, sql.PROBE)
    except WarehouseProblem as error:
        remedy = f"runner tenant credentials show --tenant {scope.tenant}"
        pairs = ("`(gcloud [^`]*)`", "{0}"), ("", remedy)
        return fail(error.message, remedy_for(error.message, *pairs))
    return ok(f"acts as {account}, which may run jobs")


def pruning(scope: Scope) -> CheckResult:
    """Dry runs: a day of the export is read at the price of a day, and a date of the bill is."""
    tenant, dataset = scope.tenant, scope.dataset
    now, remedy = datetime.now(UTC), f"runner tenant show {scope.tenant}"
    export = doctor_sql.EXPORT_BYTES.format(tenant=tenant)
    day = dataset.bytes_read(tenant, export, since=now - DAY) or 0
    total = dataset.bytes_read(tenant, export, since=datetime(1970, 1, 1, tzinfo=UTC)) or 0
    try:
        bill = doctor_sql.BILL_BYTES.format(tenant=tenant)
        dataset.bytes_read(tenant, bill, day=(now - DAY).date())
    except StatementRefused as error:
        if type(error.__cause__).__name__ != "NotFound":  # before the first run
            return fail(f"a date of the bill cannot be queried: {error.message}", remedy)
    detail = f"one day of the export reads {day:,} bytes, the complete export {total:,}"
    if total == 0:
        return warn(f"{detail}: an empty export cannot show whether pruning works", remedy)
    if day >= total:
        ref = scope.exports[0].ref.replace(".", ":", 1)
        detail += ": every run reads every partition"
        return fail(detail, f"bq show --format=prettyjson {ref}")
    return ok(detail)


def partitions(scope: Scope) -> CheckResult:
    """The rows of a date are in the partitions that a run reads."""
    statement = doctor_sql.PARTITION_LABELS.format(tenant=scope.tenant)
    since = datetime.now(UTC) - 7 * DAY
    (row,) = scope.dataset.read(scope.tenant, statement, since=since)
    if not row["charge_rows"]:
        return warn("no row in the last 7 days", f"runner tenant show {scope.tenant}")
    detail = f"labels are {row['least_lag']} to {row['most_lag']} days after the export's UTC date"
    seen = scope.store.read(doctor_sql.LAG.format(tenant=scope.tenant))[0]["lag_days"] or 0
    farthest = max(seen, -row["least_lag"])
    detail += f"; rows were exported at most {farthest} days after their partition; by what it has"
    detail += f" seen itself, catch-up starts {moved.margin(seen).days} days before its mark"
    if row["unread_rows"]:
        detail += f"; {row['unread_rows']} rows are in partitions over a day before their usage"
        detail += ": the reconciliation of a run of their date lists them"
        return fail(detail, f"runner run --tenant {scope.tenant} --date D")
    return ok(detail)


def permissions(scope: Scope) -> CheckResult:
    """Jobs may be run and listed, and the tenant's dataset written: by a dry run of an insert."""
    statement = doctor_sql.MAY_WRITE.format(tenant=scope.tenant)
    scope.dataset.bytes_read(scope.tenant, statement)
    scope.store.cancel_jobs(scope.tenant, ())
    return ok(f"may run and list jobs, and write {scope.tenant}")


def time_zone(scope: Scope) -> CheckResult:
    """The session's time zone, for information: the project's statements do not depend on it."""
    (row,) = scope.store.read(doctor_sql.TIME_ZONE)
    zone = row["time_zone"]
    detail = f"the session's time zone is {zone}; all statements of the project name UTC"
    return ok(detail if zone == "UTC" else f"{detail}, and your own queries must do so too")


def refused_jobs(scope: Scope) -> CheckResult:
    """No job of the runner was refused for a rate or a quota, or too large, in 24 hours."""
    fields = scope.target.fields
    region = str(fields.get("location") or "US").lower()
    if not all(part.isalnum() for part in region.split("-")):
        raise UsageProblem(f"'{region}' is not a valid location: set BIGQUERY_LOCATION.")
    statement = doctor_sql.REFUSED_JOBS.format(dataset=f"region-{region}")
    (row,) = scope.store.read(statement, since=datetime.now(UTC) - DAY)
    detail = f"{row['jobs']} jobs in 24 hours, {row['refused']} refused for a rate or a quota"
    detail += f", {row['too_large']} beyond BigQuery's resources (resourcesExceeded)"
    detail += f", {row['repeated']} cancelled by a concurrent update and repeated"
    detail += f", {row['conflicts']} of dbt's that were not repeated"
    if row["refused"]:
        listed = "gcloud alpha services quota list --service=bigquery.googleapis.com"
        return warn(detail, f"{listed} --consumer=projects/{fields['project']}")
    if row["too_large"]:
        return warn(detail, "runner run --tenant T --from A --to B  # with fewer dates in a run")
    if row["conflicts"]:
        return warn(detail, "runner runs --tenant T --status FAILED  # and run those dates again")
    return ok(detail)
