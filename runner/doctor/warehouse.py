"""Checks of the warehouse and of its central tables."""

import shlex
from datetime import UTC, datetime, timedelta

from runner import sql
from runner.context import Context, open_context
from runner.control import runs_sql, tenants
from runner.doctor import check, doctor_sql, machine
from runner.doctor.check import FAIL, OK, WARN, Finding, quoted, remedy_for
from runner.doctor.tenant import ADD
from runner.errors import WarehouseProblem
from runner.onboarding import overlaps
from runner.settings import Settings

# No command of ours holds a file for so long: whoever does is found out here.
PATIENCE_SECONDS = 5.0
CLOCK_TOLERANCE = timedelta(seconds=60)


def check_warehouse(settings: Settings) -> Finding:
    """The warehouse answers, has control tables and, if it is files, may be written."""
    context = open_context(settings, PATIENCE_SECONDS)
    path, local = check.control_path(settings), check.is_local(settings)
    folder = quoted(path.parent)
    place = quoted(path) if local else settings.target({"tenant_id": "none"}).fields["project"]
    try:
        if not local:
            machine.knock(settings)
        elif path.parent.exists():
            context.dataset.prepare("none")
        if not context.store.exists():
            return FAIL, "no tenant was ever added", "runner init" if local else ADD.format("ID")
        (context.store.write if local else context.store.read)(sql.PROBE)
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


def check_central_tables(settings: Settings, context: Context) -> Finding:
    """The tables of all tenants have the columns that their contracts declare."""
    found = context.store.columns("tenants")
    # Locally the view of quotas is made for each query.
    views = {"tenant_usage_quotas"} if check.is_local(settings) else set()
    lacking = check.lacking_columns(settings, found, "control/tenants", besides=views)
    if not lacking:
        return OK, "as declared", None
    has_profiles = "tenant_id" in found.get("tenant_profiles", ())
    anyone = next(iter(tenants.registered(context.store)), None) if has_profiles else None
    return FAIL, lacking, f"runner tenant repair {anyone}" if anyone else ADD.format("ID")


def check_clock(context: Context) -> Finding:
    """Our clock is the warehouse's, and no row is from the future."""
    sync, now = "sudo timedatectl set-ntp true", datetime.now(UTC)
    theirs = context.store.read(doctor_sql.NOW)[0]["now_at"]
    if abs(theirs - now) > CLOCK_TOLERANCE:
        return (
            WARN,
            f"the warehouse's clock is at {check.minute(theirs)}, ours at {check.minute(now)}",
            sync,
        )
    newest = context.store.read(runs_sql.NEWEST_EVENT)[0]["newest_at"]
    if newest and newest > now + CLOCK_TOLERANCE:
        return (
            FAIL,
            f"the newest event is of {check.minute(newest)}, and now is {check.minute(now)}",
            sync,
        )
    return OK, f"{check.minute(now)}, no event is later", None


def check_tenants(context: Context, tenant: str | None) -> Finding:
    """There are tenants, and the one asked for is among them."""
    known = tenants.registered(context.store)
    if tenant and tenant not in known:
        told = f"there is no tenant '{tenant}', there is {', '.join(known) or 'none'}"
        return FAIL, told, ADD.format(tenant)
    if not known:
        return WARN, "there are none yet", ADD.format("ID")
    return OK, tenant or f"{len(known)}: {', '.join(known)}", None


def check_overlaps(context: Context, tenant: str | None) -> Finding:
    """No charge is billed to two tenants; a parent company may mean it."""
    found = [pair for pair in overlaps.overlaps(context.store) if tenant in (None, *pair[:2])]
    if not found:
        return OK, "no charge is billed to two tenants", None
    one, other, ref = found[0]
    more = f", and {len(found) - 1} more pairs of tenants share charges" if found[1:] else ""
    told = f"charges of the export {ref} are billed to both {one} and {other}{more}"
    mend = tenant or other
    words = ("runner", "tenant", "add", mend, "--admin-email")
    email = tenants.find(context.store, mend).admin_email or "E"
    refs = [part for own in tenants.exports(context.store, mend) for part in ("--export", own.ref)]
    return WARN, told, shlex.join([*words, email, *refs, "--billing-account", "ID"])
