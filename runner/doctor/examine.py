"""All checks of `runner doctor`, in order."""

from dataclasses import replace
from functools import cache
from tempfile import TemporaryDirectory

from runner.context import open_context
from runner.control import tenants
from runner.doctor import bigquery, machine, mail, tenant, warehouse
from runner.doctor.check import ANSWER, Check, CheckResult, CheckRunner, Scope
from runner.settings import Settings

# The runner's commands hold a file for a shorter time: another program is reported.
PATIENCE_SECONDS = 5.0
REPAIR = "runner tenant repair {}"

WAREHOUSE_CHECKS = (
    Check("versions", machine.versions),
    Check("project", machine.project),
    Check("templates", machine.templates),
    Check("profile", warehouse.profile),
    Check("warehouse", warehouse.answers, needs=("profile",)),
    Check("quota", bigquery.refused_jobs, needs=("warehouse",), when=bigquery.is_used),
    Check("time zone", bigquery.time_zone, needs=("warehouse",), when=bigquery.is_used),
    Check("tables", warehouse.tables, needs=("warehouse",)),
    Check("clock", warehouse.clock, needs=("warehouse",)),
    Check("tenants", warehouse.registered, needs=("warehouse",)),
    Check("overlaps", warehouse.no_overlaps, needs=("tenants",), remedy=REPAIR),
)

# Without these, each check of the tenant's data would report the same problem.
DATA = ("credentials", ANSWER)
EXPORT = ("export", ANSWER)

TENANT_CHECKS = (
    Check("credentials", bigquery.credentials, when=bigquery.is_used, remedy=REPAIR),
    Check("tables", tenant.tables, needs=DATA, remedy=REPAIR),
    Check("data", tenant.data, needs=DATA, when=lambda scope: scope.is_named, remedy=REPAIR),
    Check("layers", tenant.layers, needs=DATA, when=lambda scope: scope.is_named, remedy=REPAIR),
    Check("limits", tenant.limits, remedy=REPAIR),
    Check("export", tenant.export, needs=DATA, remedy=REPAIR),
    Check("freshness", tenant.freshness, needs=EXPORT, remedy=REPAIR),
    Check("pruning", bigquery.pruning, needs=EXPORT, when=bigquery.reads_a_table, remedy=REPAIR),
    Check("partitions", bigquery.partitions, EXPORT, bigquery.reads_a_table, remedy=REPAIR),
    Check("permissions", bigquery.permissions, DATA, when=bigquery.is_used, remedy=REPAIR),
    Check("runs", tenant.runs, remedy=REPAIR),
    Check("alerts", tenant.alerts, remedy=REPAIR),
)

MACHINE_CHECKS = (
    Check("spool", machine.spooled),
    Check("privacy", machine.privacy),
    Check("disk", machine.disk),
    Check("mail", mail.server),
)

TEST_MAIL = (Check("test mail", mail.test_message, needs=("mail",)),)


def examine(
    settings: Settings, named: str | None = None, send_mail: bool = False
) -> list[CheckResult]:
    """The results of all checks. `named`: check only this tenant, including its data tables."""
    opened = cache(lambda: open_context(settings, PATIENCE_SECONDS))
    scope, runner = Scope(settings, opened, named or "", named is not None), CheckRunner()
    results = runner.run(WAREHOUSE_CHECKS, scope)
    are_known = "tenants" not in runner.unmet
    if are_known:
        with opened() as context, TemporaryDirectory() as scratch:
            for one in [named] if named else tenants.registered(context.store):
                of_tenant = replace(scope, tenant=one, scratch=scratch)
                results += CheckRunner(one).run(TENANT_CHECKS, of_tenant)
    results += runner.run(MACHINE_CHECKS, scope)
    if send_mail:
        # When tenants cannot be read, only ALERT_TO gets the mail.
        mailed = scope if are_known else replace(scope, tenant="")
        results += runner.run(TEST_MAIL, mailed)
    return results
