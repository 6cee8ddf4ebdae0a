"""The doctor's examination, in order."""

from collections.abc import Callable
from contextlib import ExitStack

from runner.context import Context, open_context
from runner.control import tenants
from runner.doctor import bigquery, check, machine
from runner.doctor import tenant as of_tenant
from runner.doctor import warehouse as of_warehouse
from runner.doctor.check import FAIL, OK, WARN, Check, Finding, Visit
from runner.doctor.tenant import Reader
from runner.settings import Settings


def examine(settings: Settings, tenant: str | None = None, send_mail: bool = False) -> list[Check]:
    """Look at everything; with `tenant` at no other tenant, but at its data tables, too."""
    visit = Visit(settings)
    visit.look("versions", machine.versions, settings)
    visit.look("templates", machine.templates, settings)
    visit.look("profile", of_tenant.check_profile, settings)
    probe = of_warehouse.check_warehouse
    answers = visit.look("warehouse", probe, settings, needs="profile") == OK
    context = open_context(settings, of_warehouse.PATIENCE_SECONDS) if answers else None
    if answers and not check.is_local(settings):
        visit.look("quota", bigquery.refused_jobs, context, settings, needs="warehouse")
    visit.look("tables", of_warehouse.check_central_tables, settings, context, needs="warehouse")
    visit.look("clock", of_warehouse.check_clock, context, needs="warehouse")
    known = visit.look("tenants", of_warehouse.check_tenants, context, tenant, needs="warehouse")
    mend = f"runner tenant repair {tenant or 'ID'}"
    visit.look(
        "overlaps", of_warehouse.check_overlaps, context, tenant, needs="tenants", remedy=mend
    )
    if context and known == OK:
        with ExitStack() as stack:
            read = of_tenant.reader(settings, stack)
            for one in [tenant] if tenant else tenants.registered(context.store):
                _visit_tenant(visit, settings, context, read, one, asked=tenant is not None)
    visit.look("spool", machine.unwritten, settings)
    bills = [check.control_path(settings).parent] if answers and check.is_local(settings) else []
    visit.look("privacy", machine.privacy, *bills, settings.log_dir)
    visit.look("disk", machine.room, settings)
    needs = "mail" if visit.look("mail", machine.mail_server, settings) == FAIL else None
    if send_mail:
        visit.look("test mail", machine.test_letter, settings, context, tenant, needs=needs)
    return visit.checks


def _visit_tenant(
    visit: Visit,
    settings: Settings,
    context: Context,
    read: Reader,
    tenant: str,
    asked: bool,
) -> None:
    """The looks at one tenant. What refuses its runs is a failure only for who asks about it."""
    is_let_in = True

    def look(name: str, find: Callable[..., Finding], *more: object) -> str:
        nonlocal is_let_in
        remedy = f"runner tenant repair {tenant}"
        status = visit.look(name, find, context, tenant, *more, tenant=tenant, remedy=remedy)
        is_let_in = is_let_in and not visit.is_unanswered
        return status

    local = check.is_local(settings)
    # Whom its data is asked as; refused, or without an answer, each look at the data would only
    # say so again.
    is_let_in = local or look("credentials", bigquery.credentials) == OK
    if is_let_in:
        look("tables", of_tenant.check_tenant_tables, settings)
    if is_let_in and asked:
        look("data", of_tenant.check_data_tables, settings)
    if is_let_in and asked:
        look("layers", of_tenant.check_layers, local)
    look("limits", of_tenant.check_limits, FAIL if asked else WARN)
    if is_let_in and look("export", of_tenant.check_export, read, local) == OK:
        look("freshness", of_tenant.check_freshness, local)
        # A landing has other partitions than an export, and is looked at itself.
        if not local and not tenants.landing_of(tenants.exports(context.store, tenant)[0].ref):
            look("pruning", bigquery.pruning)
            look("partitions", bigquery.partitions)
    if is_let_in and not local:
        look("permissions", bigquery.permissions)
    look("runs", of_tenant.check_runs)
    look("alerts", of_tenant.check_alerts)
