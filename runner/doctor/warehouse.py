"""Checks of the profile, the warehouse and its central tables."""

import shlex
import socket
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit
from urllib.request import getproxies

from runner import sql
from runner.control import runs, runs_sql, tenants
from runner.doctor import contracts, doctor_sql
from runner.doctor.check import CheckResult, Scope, fail, minute, ok, quoted, remedy_for, warn
from runner.errors import UsageProblem, WarehouseProblem, WarehouseUnreachable
from runner.onboarding import overlaps
from runner.settings import Target

CLOCK_TOLERANCE = timedelta(seconds=60)


def profile(scope: Scope) -> CheckResult:
    """profiles.yml has a valid target, on BigQuery with project and location."""
    path = quoted(scope.settings.profiles_path)
    try:
        target = scope.target
    except UsageProblem as error:
        remedy = remedy_for(
            error.message,
            ("does not exist", "runner init"),
            (r"environment variable (\w+)", "export {0}=..."),
            ("has no target", "runner doctor --target local"),
            ("", f"mv {path} {path}.broken && runner init"),
        )
        return fail(error.message, remedy)
    if target.type == "duckdb":
        return ok(f"{path}: target {target.name}, duckdb in {scope.control_path.parent}")
    examples = {"project": "GCP_PROJECT=my-project", "location": "BIGQUERY_LOCATION=US"}
    for field, example in examples.items():
        if str(target.fields.get(field) or "set-").startswith("set-"):
            return fail(f"{path}: the {field} is not set", f"export {example}")
    return ok(f"{path}: target {target.name}, project {target.fields['project']}")


def answers(scope: Scope) -> CheckResult:
    """The warehouse answers, has control tables and, if it consists of files, can be written."""
    path, is_local = scope.control_path, scope.engine == "duckdb"
    folder = quoted(path.parent)
    place = quoted(path) if is_local else scope.target.fields["project"]
    try:
        if not is_local:
            _require_connection(scope.target)
        elif path.parent.exists():
            scope.dataset.prepare("none")
        if not scope.store.exists():
            return fail("no tenant was added yet", "runner init" if is_local else scope.add)
        (scope.store.write if is_local else scope.store.read)(sql.PROBE)
    except WarehouseProblem as error:
        set_aside = f"mkdir {folder}/damaged && mv {place}* {folder}/damaged/ && runner init"
        remedy = remedy_for(
            error.message,
            (r"File exists|Not a dir", 'export WAREHOUSE_DIR="$HOME/warehouse"'),
            (r"folder (\S+) cannot be written", "chmod u+rwx {0}; df -h {0}"),
            (r"process (\d+)", "ps -fp {0}"),
            ("is damaged", set_aside),
            (r"^(\S+) cannot be reached", "curl -sSI {0}"),
            ("credentials", "gcloud auth application-default login"),
            (r"cannot be (used|written)", f"chmod u+rw {place}; df -h {place}"),
            ("", f"bq --project_id={place} query --use_legacy_sql=false 'select 1'"),
        )
        return fail(error.message, remedy)
    return ok(f"{place} answers")


def _require_connection(target: Target) -> None:
    """Raises WarehouseUnreachable at once, while BigQuery's client would retry for ten minutes."""
    url = urlsplit(target.fields.get("api_endpoint") or "https://bigquery.googleapis.com")
    if getproxies().get(url.scheme):
        return
    try:
        port = url.port or (443 if url.scheme == "https" else 80)
        socket.create_connection((url.hostname, port), timeout=10).close()
    except OSError as error:
        raise WarehouseUnreachable(f"{url.geturl()} cannot be reached ({error}).") from error


def tables(scope: Scope) -> CheckResult:
    """The tables of all tenants have the columns that their contracts declare."""
    found = scope.store.columns("tenants")
    # Locally the view of quotas is created for each query.
    views = {"tenant_usage_quotas"} if scope.engine == "duckdb" else set()
    folder = "control/tenants"
    lacking = contracts.lacking(scope.settings.project_dir, found, folder, besides=views)
    if not lacking:
        return ok("as declared")
    has_profiles = "tenant_id" in found.get("tenant_profiles", ())
    first = next(iter(tenants.registered(scope.store)), None) if has_profiles else None
    return fail(lacking, f"runner tenant repair {first}" if first else scope.add)


def clock(scope: Scope) -> CheckResult:
    """The clocks of this machine and of the warehouse agree, and no row is from the future."""
    now, set_clock = datetime.now(UTC), "sudo timedatectl set-ntp true"
    warehouse_now = scope.store.read(doctor_sql.NOW)[0]["now_at"]
    if abs(warehouse_now - now) > CLOCK_TOLERANCE:
        both = f"the warehouse's clock is {minute(warehouse_now)}, this machine's {minute(now)}"
        return warn(both, set_clock)
    since = (now - runs.EVENTS).date()
    newest = scope.store.read(runs_sql.NEWEST_EVENT, events_since=since)[0]["newest_at"]
    if newest and newest > now + CLOCK_TOLERANCE:
        return fail(f"an event is from {minute(newest)}, and it is {minute(now)} now", set_clock)
    return ok(f"{minute(now)}, and no event is later")


def registered(scope: Scope) -> CheckResult:
    """There are tenants, including the named one."""
    known, tenant = tenants.registered(scope.store), scope.tenant
    if tenant and tenant not in known:
        detail = f"tenant '{tenant}' does not exist; tenants: {', '.join(known) or 'none'}"
        return fail(detail, scope.add)
    if not known:
        return warn("no tenants yet", scope.add)
    return ok(tenant or f"{len(known)}: {', '.join(known)}")


def no_overlaps(scope: Scope) -> CheckResult:
    """No charge is billed to two tenants, which may be intended, such as for a parent company."""
    store, tenant = scope.store, scope.tenant
    found = [pair for pair in overlaps.overlaps(store) if tenant in ("", *pair[:2])]
    if not found:
        return ok("no charge is billed to two tenants")
    one, other, ref = found[0]
    more = f"; {len(found) - 1} more pairs of tenants share charges" if found[1:] else ""
    detail = f"charges of the export {ref} are billed to both {one} and {other}{more}"
    filtered = tenant or other
    email = tenants.find(store, filtered).admin_email or "E"
    words = ["runner", "tenant", "add", filtered, "--admin-email", email]
    words += [word for own in tenants.exports(store, filtered) for word in ("--export", own.ref)]
    return warn(detail, shlex.join([*words, "--billing-account", "ID"]))
