"""The exports that are named for a tenant, and their checks."""

import contextlib
import json
from collections.abc import Iterator
from tempfile import TemporaryDirectory

from runner import names
from runner.context import Context
from runner.control import tenants
from runner.control.tenants import Export
from runner.dataset import export_files
from runner.errors import UnknownTenant, UsageProblem
from runner.onboarding import overlaps
from runner.onboarding.builder import Builder
from runner.onboarding.records import Record, TenantSpec
from runner.pipelines import templates
from runner.settings import Settings


def named_exports(settings: Settings, spec: TenantSpec) -> list[Export]:
    """The named exports; only the form of the names is checked. Raises UsageProblem."""
    refs = spec.refs
    local = settings.target({"tenant_id": "none"}).type == "duckdb"
    if len(refs) > 1 and any(tenants.landing_of(ref) for ref in refs):
        raise UsageProblem("A landing must be a tenant's only export: name only the landing.")
    for ref in refs:
        if name := tenants.landing_of(ref):
            with _as_landing():
                names.tenant_id(name)
        elif not local and not names.TABLE.fullmatch(ref):
            raise UsageProblem(f"'{ref}' is not a BigQuery table: write project.dataset.table.")
    if local:
        refs = tuple(
            ref if tenants.landing_of(ref) else export_files.local_export(ref) for ref in refs
        )
    return [
        Export(
            ref,
            tuple(names.billing_account(account) for account in spec.accounts),
            tuple(names.project(project) for project in spec.projects),
            not spec.projects or bool(spec.with_unallocated),
        )
        for ref in dict.fromkeys(refs)
    ]


@contextlib.contextmanager
def _as_landing() -> Iterator[None]:
    """Raises UsageProblem for UnknownTenant, which means the tenant that gets the export."""
    try:
        yield
    except UnknownTenant as error:
        raise UsageProblem(error.message) from None


def keep_filters(spec: TenantSpec, named: list[Export], before: Record | None) -> list[Export]:
    """The named exports; accounts and projects that are not named stay as the tenant has them.

    Raises UsageProblem when the tables no longer have them: they must not be guessed.
    """
    if before is None or spec.all_accounts:
        return named
    if not before.exports:
        if not spec.accounts and not spec.projects:
            raise UsageProblem(
                f"The billing accounts of tenant {spec.tenant_id} are no longer on record: name"
                " them with --billing-account (and --project), or use --all-accounts."
            )
        return named
    old, with_unallocated = before.exports[0], spec.with_unallocated
    projects = named[0].projects or old.projects
    if with_unallocated is None and old.projects:
        with_unallocated = old.has_unallocated
    accounts = named[0].billing_accounts or old.billing_accounts
    has_unallocated = not projects or bool(with_unallocated)
    return [Export(one.ref, accounts, projects, has_unallocated) for one in named]


def check_command(named: list[Export]) -> tuple[str, ...]:
    """The dbt command that opens these exports; it fails with their faults."""
    one = named[0]
    args = {
        "refs": [export.ref for export in named],
        "accounts": one.billing_accounts,
        "projects": one.projects,
        "has_unallocated": one.has_unallocated,
    }
    return ("run-operation", "check_exports", "--args", json.dumps(args))


def check_exports(
    context: Context, builder: Builder, tenant_id: str, named: list[Export], pipeline: str
) -> None:
    """Raises UsageProblem when an export cannot be read, or would be billed to two tenants."""
    context.echo("checking the export")
    is_landing = pipeline == templates.LANDING
    if name := tenants.landing_of(named[0].ref):
        with _as_landing():
            pipeline = tenants.find(context.store, name).pipeline
        if is_landing or pipeline != templates.LANDING:
            raise UsageProblem(
                f"Tenant {name} is not a landing that {tenant_id} can read: add a landing with"
                " `runner tenant add ID --landing`, and use its id."
            )
    else:
        for export in named:
            context.dataset.check_export(tenant_id, export.ref)
        with TemporaryDirectory() as scratch:
            # In a temporary warehouse, so that a refused tenant leaves nothing behind.
            checked = builder.run(*check_command(named), warehouse=scratch)
        if not checked.success:
            raise UsageProblem(
                f"Tenant {tenant_id} was not added: its export cannot be used. {checked.error}"
            )
    # Before anything is made; rows.write checks again in the transaction.
    if is_landing or overlaps.is_filtered(named):
        return
    if others := overlaps.also_billed_to(context.store, tenant_id, named):
        raise overlaps.shared_refusal(tenant_id, named, others)
