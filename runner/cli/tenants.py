"""`tenant`: add, show, change and remove tenants."""

from typing import Any

import click
from click import IntRange

from runner import names
from runner.cli import keys, options
from runner.cli.command import Group, Result
from runner.cli.options import flag, value
from runner.cli.text import cell, columns, table
from runner.control import tenants
from runner.control.store import Store
from runner.errors import UsageProblem
from runner.onboarding import exports, onboard, records, remove, repair
from runner.settings import Settings

plan_option = value(
    "--plan",
    None,
    "Limits: 6, 25 or 100 runs a day; 3, 5 or 10 at once (default for a new tenant: starter).",
    tenants.PLANS.__getitem__,
    type=click.Choice(list(tenants.PLANS)),
)
company_option = value("--company company_name", "NAME", "Name of the company.")


@click.group(cls=Group)
def tenant() -> None:
    """Add, show, change and remove tenants."""


tenant.add_command(keys.key)
tenant.add_command(keys.credentials)


@tenant.command()
@options.tenant_id
@value("--admin-email", "E", "Address for alerts.", names.email, required=True)
@company_option
@plan_option
@value(
    "--export refs",
    "REF",
    "BigQuery table project.dataset.table; locally a path or glob of Parquet, NDJSON or CSV files;"
    " or tenant:ID, a landing. Repeatable.",
    required=True,
    multiple=True,
)
@value("--billing-account accounts", "A", "Only this billing account (repeatable).", multiple=True)
@value(
    "--project projects",
    "P",
    "Only this project (repeatable). Excludes charges without a project.",
    multiple=True,
)
@click.option(
    "--with-unallocated/--without-unallocated",
    default=None,
    help="With --project: include charges without a project (tax, support).",
)
@flag(
    "--landing is_landing",
    "Load the export once for other tenants, whose --export is then tenant:ID.",
)
@flag(
    "--all-accounts",
    "Remove the earlier accounts and projects: only those named now limit the tenant.",
)
def add(config: Settings, **named: Any) -> Result:
    """Add or update a tenant. What is not named is not changed, and it can be repeated."""
    spec = records.TenantSpec(**named)
    exports.named_exports(config, spec)  # an invalid one is refused before the warehouse is opened
    context = options.opened(config)
    named_exports = onboard.onboard(context, spec, on_private=options.echo)
    text = f"Tenant {spec.tenant_id} is ready. Next:"
    text += f" runner run --tenant {spec.tenant_id} --date D"
    if not named_exports[0].has_unallocated:
        text += (
            "\nCharges without a project (tax, support, rounding) are not in its bill:"
            " add --with-unallocated if they are this tenant's."
        )
    return _result(context.store, spec.tenant_id, text)


@tenant.command("list")
def list_tenants(config: Settings) -> Result:
    """List all tenants."""
    found = tenants.every(options.opened(config).store)
    text = table(
        ("tenant", "status", "plan", "admin", "company"),
        [(one.id, one.status, one.plan, one.admin_email, one.company_name) for one in found],
        "No tenants yet. Add one with: runner tenant add ID --admin-email E --export REF",
    )
    return Result(found, text)


@tenant.command()
@options.tenant_id
def show(config: Settings, tenant_id: str) -> Result:
    """Show one tenant: profile, limits and exports."""
    document = _document(options.opened(config).store, tenant_id)
    rows = [(k.replace("_", " "), cell(v)) for k, v in document.items() if k != "exports"]
    for one in document["exports"]:
        rows.append(("export", one.ref))
        rows.append(("  accounts", ", ".join(one.billing_accounts) or "all"))
        rows.append(("  projects", ", ".join(one.projects) or "all"))
        rows.append(("  unallocated", "included" if one.has_unallocated else "excluded"))
    return Result(document, "\n".join(columns(rows)))


@tenant.command()
@options.tenant_id
@value("--admin-email", "E", "Address for alerts.", names.email)
@company_option
@plan_option
@value(
    "--subscription status",
    None,
    "Status of the subscription; runs need active or trial.",
    str.upper,
    type=click.Choice(["active", "trial", "expired", "cancelled"]),
)
@value(
    "--ends end_date", "D", "Last day of the subscription, YYYY-MM-DD, or never.", names.last_day
)
@value(
    "--trial-ends trial_end_date", "D", "Last day of a trial, YYYY-MM-DD, or never.", names.last_day
)
@value("--daily-limit", "N", "Maximum runs a day.", type=IntRange(0))
@value("--monthly-limit", "N", "Maximum runs a month.", type=IntRange(0))
@value("--concurrent-limit", "N", "Maximum runs at once.", type=IntRange(0))
def update(config: Settings, tenant_id: str, **named: Any) -> Result:
    """Change only the named values. To change exports, use `tenant add`."""
    changes = tenants.Changes(**named)
    if changes == tenants.Changes():
        raise UsageProblem("Nothing to change: use at least one option, see --help.")
    store = options.opened(config).store
    tenants.update(store, tenant_id, changes)
    text = f"Tenant {tenant_id} was changed: see `runner tenant show {tenant_id}`."
    return _result(store, tenant_id, text)


@tenant.command()
@options.tenant_id
def suspend(config: Settings, tenant_id: str) -> Result:
    """Refuse new runs of the tenant until it is resumed; active runs continue."""
    tenants.set_status(store := options.opened(config).store, tenant_id, "SUSPENDED")
    text = f"Tenant {tenant_id} is suspended. Undo with: runner tenant resume {tenant_id}"
    return _result(store, tenant_id, text)


@tenant.command()
@options.tenant_id
def resume(config: Settings, tenant_id: str) -> Result:
    """Allow runs of a suspended tenant."""
    tenants.set_status(store := options.opened(config).store, tenant_id, "ACTIVE")
    return _result(store, tenant_id, f"Tenant {tenant_id} is active.")


@tenant.command("repair")
@options.tenant_id
def repair_tenant(config: Settings, tenant_id: str) -> str:
    """Create missing tables, columns and rows of a tenant; existing rows are not changed.

    On BigQuery, columns that the models do not have are dropped, and types are corrected.
    """
    # The spool is not drained: its entries may need the tables that are created here.
    repair.repair(options.opened(config, drains_spool=False), tenant_id)
    return f"Tenant {tenant_id} is complete. Check with: runner doctor --tenant {tenant_id}"


@tenant.command("remove")
@options.tenant_id
@flag("--yes", "Do not ask for confirmation.")
def remove_tenant(config: Settings, tenant_id: str, yes: bool) -> str:
    """Delete a tenant with its dataset, its bill and its records. There is no backup."""
    context = options.opened(config)
    if not yes:
        typed = click.prompt(
            f"This deletes all data of {tenant_id}. Type its id to confirm", err=True
        )
        if typed != tenant_id:
            raise UsageProblem(f"'{typed}' is not '{tenant_id}': nothing was deleted.")
    remove.remove(context, tenant_id)
    return f"Tenant {tenant_id} was removed."


def _document(store: Store, tenant_id: str) -> dict[str, Any]:
    """A tenant's profile, limits and exports."""
    return {**vars(tenants.find(store, tenant_id)), "exports": tenants.exports(store, tenant_id)}


def _result(store: Store, tenant_id: str, text: str) -> Result:
    """A text about a change for people; for machines, the tenant as it is now."""
    return Result(lambda: _document(store, tenant_id), text)
