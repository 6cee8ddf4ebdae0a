"""The exports that a caller names, checked before a tenant gets them."""

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
    """The named exports, checked by their form alone. Raises UsageProblem."""
    refs = spec.refs
    local = settings.target({"tenant_id": "none"}).type == "duckdb"
    if len(refs) > 1 and any(tenants.landing_of(ref) for ref in refs):
        raise UsageProblem("A landing must be a tenant's only export: name no other beside it.")
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
    """Raises UsageProblem for UnknownTenant: that one is about the tenant that gets the export."""
    try:
        yield
    except UnknownTenant as error:
        raise UsageProblem(error.message) from None


def keep_filters(spec: TenantSpec, named: list[Export], before: Record | None) -> list[Export]:
    """The named exports with the accounts and projects that the tenant has, unless named anew.

    Raises UsageProblem when the tables no longer have them: all is not to be guessed.
    """
    if before is None or spec.all_accounts:
        return named
    if not before.exports:
        if not spec.accounts and not spec.projects:
            raise UsageProblem(
                f"Which accounts are tenant {spec.tenant_id}'s cannot be read any more: name them"
                " with --billing-account (and --project), or say --all-accounts."
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
    """The dbt command that opens these exports and fails with what is wrong with them."""
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
    """Raises UsageProblem when the exports cannot be read, or are another tenant's as well."""
    context.echo("checking the export")
    is_landing = pipeline == templates.LANDING
    if name := tenants.landing_of(named[0].ref):
        with _as_landing():
            pipeline = tenants.find(context.store, name).pipeline
        if is_landing or pipeline != templates.LANDING:
            raise UsageProblem(
                f"Tenant {name} is not a landing that {tenant_id} could read: add one with"
                " `runner tenant add ID --landing`, and name its id."
            )
    else:
        for export in named:
            context.dataset.check_export(tenant_id, export.ref)
        with TemporaryDirectory() as scratch:
            # Checked in a warehouse of its own: a refused tenant leaves nothing behind.
            checked = builder.run(*check_command(named), warehouse=scratch)
        if not checked.success:
            raise UsageProblem(
                f"Tenant {tenant_id} was not added: its export cannot be used. {checked.error}"
            )
    # So that nothing is made yet; rows.write checks again, as others may be added meanwhile.
    if is_landing or overlaps.is_filtered(named):
        return
    if others := overlaps.also_billed_to(context.store, tenant_id, named):
        raise overlaps.shared_refusal(tenant_id, named, others)
