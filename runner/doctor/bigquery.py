"""What `runner doctor` looks at on BigQuery alone: what no emulator proves of a real project."""

from datetime import UTC, datetime, timedelta

from runner import sql
from runner.context import Context
from runner.control import tenants
from runner.doctor import doctor_sql
from runner.doctor.check import FAIL, OK, WARN, Finding, remedy_for
from runner.errors import StatementRefused, UsageProblem, WarehouseProblem
from runner.settings import Settings

MONTH, WEEK, DAY = timedelta(days=30), timedelta(days=7), timedelta(days=1)


def credentials(context: Context, tenant: str) -> Finding:
    """The process can act as the tenant's account, and that may run jobs: a dry run says so."""
    try:
        account = context.dataset.account_of(tenant)
        if not account:
            return OK, "no account of its own: the process's is asked", None
        context.dataset.bytes_read(tenant, sql.PROBE)
    except WarehouseProblem as error:
        remedy = remedy_for(
            error.message,
            ("`(gcloud [^`]*)`", "{0}"),
            ("", f"runner tenant credentials show --tenant {tenant}"),
        )
        return FAIL, error.message, remedy
    return OK, f"acts as {account}, which may run jobs", None


def pruning(context: Context, tenant: str) -> Finding:
    """Dry runs: a day of the export is read at the price of a day, and a date of the bill is."""
    now = datetime.now(UTC)
    export = doctor_sql.EXPORT_BYTES.format(tenant=tenant)
    day = context.dataset.bytes_read(tenant, export, since=now - DAY) or 0
    whole = context.dataset.bytes_read(tenant, export, since=datetime(1970, 1, 1, tzinfo=UTC)) or 0
    try:
        statement = doctor_sql.BILL_BYTES.format(tenant=tenant)
        context.dataset.bytes_read(tenant, statement, day=(now - DAY).date())
    except StatementRefused as error:
        if type(error.__cause__).__name__ != "NotFound":  # before the first run
            return FAIL, f"a date of the bill cannot be asked for: {error.message}", _show(tenant)
    told = f"a day of the export reads {day:,} bytes, all of it {whole:,}"
    if whole == 0:
        return WARN, f"{told}: nothing to judge pruning by", _show(tenant)
    if day >= whole:
        ref = tenants.exports(context.store, tenant)[0].ref.replace(".", ":", 1)
        return (
            FAIL,
            f"{told}: every run reads every partition",
            f"bq show --format=prettyjson {ref}",
        )
    return OK, told, None


def partitions(context: Context, tenant: str) -> Finding:
    """Google's partition labels are where the extraction looks for a date's rows."""
    statement = doctor_sql.PARTITION_LABELS.format(tenant=tenant)
    (row,) = context.dataset.read(tenant, statement, since=datetime.now(UTC) - WEEK)
    if not row["charge_rows"]:
        return WARN, "no row in 7 days", _show(tenant)
    told = f"labels are {row['least_lag']} to {row['most_lag']} days after the export's UTC date"
    if row["unread_rows"]:
        told += f"; {row['unread_rows']} rows stand more than a day before their usage"
        return FAIL, told, f"runner run --tenant {tenant} --date D  # its reconciliation names them"
    return OK, told, None


def permissions(context: Context, tenant: str) -> Finding:
    """Jobs may be run and the tenant's dataset written: a dry run of an insert says so."""
    context.dataset.bytes_read(tenant, doctor_sql.MAY_WRITE.format(tenant=tenant))
    return OK, f"may run jobs and write {tenant}", None


def refused_jobs(context: Context, settings: Settings) -> Finding:
    """None of our writing jobs of a day was refused for a rate or a quota."""
    fields = settings.target({"tenant_id": "none"}).fields
    region = str(fields.get("location") or "US").lower()
    if not all(part.isalnum() for part in region.split("-")):
        raise UsageProblem(f"'{region}' is no BigQuery location: set BIGQUERY_LOCATION.")
    statement = doctor_sql.REFUSED_JOBS.format(dataset=f"region-{region}")
    (row,) = context.store.read(statement, since=datetime.now(UTC) - DAY)
    told = f"{row['jobs']} writing jobs in 24 hours, {row['refused']} refused for a rate or a quota"
    if row["refused"]:
        listed = "gcloud alpha services quota list --service=bigquery.googleapis.com"
        return WARN, told, f"{listed} --consumer=projects/{fields['project']}"
    return OK, told, None


def _show(tenant: str) -> str:
    return f"runner tenant show {tenant}"
