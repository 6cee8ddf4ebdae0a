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
from runner.errors import UsageProblem
from runner.onboarding import exports, onboard, records, remove, repair
from runner.settings import Settings

plan_option = value(
    "--plan",
    None,
    "Limits: 6, 25 or 100 runs a day; 3, 5 or 10 at once (default for a new one: starter).",
    tenants.PLANS.__getitem__,
    type=click.Choice(list(tenants.PLANS)),
)
company_option = value("--company company_name", "N", "Company's name.")


@click.group(cls=Group)
def tenant() -> None:
    """Add, show, change and remove tenants."""


tenant.add_command(keys.key)
tenant.add_command(keys.credentials)


@tenant.command()
@options.tenant_id
@value("--admin-email", "E", "Where its alerts go.", names.email, required=True)
@company_option
@plan_option
@value(
    "--export refs",
    "REF",
    "BigQuery table project.dataset.table, locally a Parquet, NDJSON or CSV path or glob; or"
    " tenant:ID, the landing of that id.",
    required=True,
    multiple=True,
)
@value(
    "--billing-account accounts",
    "A",
    "Only this billing account of the export (may be given again).",
    multiple=True,
)
@value(
    "--project projects",
    "P",
    "Only this project (may be given again). Leaves out charges without a project.",
    multiple=True,
)
@click.option(
    "--with-unallocated/--without-unallocated",
    default=None,
    help="With --project: charges without a project (tax, support) are the tenant's, too.",
)
@flag(
    "--landing is_landing",
    "Read the export once for other tenants, whose --export is then tenant:ID.",
)
@flag(
    "--all-accounts",
    "Drop the earlier accounts and projects: only those named now limit the tenant.",
)
def add(config: Settings, **named: Any) -> str:
    """Add a tenant, or bring one up to date: what is not named stays. Safe to run again."""
    spec = records.TenantSpec(**named)
    exports.named_exports(config, spec)  # a wrong one is refused before the warehouse is asked
    named_exports = onboard.onboard(options.opened(config), spec, on_private=options.echo)
    ready = f"Tenant {spec.tenant_id} is ready. Next:"
    ready += f" runner run --tenant {spec.tenant_id} --date D"
    if named_exports[0].has_unallocated:
        return ready
    return (
        f"{ready}\nCharges without a project (tax, support, rounding) are not in its bill:"
        " add --with-unallocated if they are this tenant's."
    )


@tenant.command("list")
@options.as_json
def list_tenants(config: Settings) -> Result:
    """List the tenants."""
    found = tenants.every(options.opened(config).store)
    text = table(
        ("tenant", "status", "plan", "admin", "company"),
        [(one.id, one.status, one.plan, one.admin_email, one.company_name) for one in found],
        "No tenants yet. Add one with: runner tenant add ID --admin-email E --export REF",
    )
    return Result(found, text)


@tenant.command()
@options.as_json
@options.tenant_id
def show(config: Settings, tenant_id: str) -> Result:
    """Show one tenant: profile, limits and exports."""
    store = options.opened(config).store
    profile = vars(tenants.find(store, tenant_id))
    found = tenants.exports(store, tenant_id)
    rows = [(name.replace("_", " "), cell(value)) for name, value in profile.items()]
    for one in found:
        rows.append(("export", one.ref))
        rows.append(("  accounts", ", ".join(one.billing_accounts) or "all"))
        rows.append(("  projects", ", ".join(one.projects) or "all"))
        rows.append(("  unallocated", "included" if one.has_unallocated else "left out"))
    return Result({**profile, "exports": found}, "\n".join(columns(rows)))


@tenant.command()
@options.tenant_id
@value("--admin-email", "E", "Where its alerts go.", names.email)
@company_option
@plan_option
@value(
    "--subscription status",
    None,
    "Standing of the subscription; only the first two may run.",
    str.upper,
    type=click.Choice(["active", "trial", "expired", "cancelled"]),
)
@value(
    "--ends end_date", "D", "Last day of the subscription, YYYY-MM-DD, or never.", names.last_day
)
@value(
    "--trial-ends trial_end_date", "D", "Last day of a trial, YYYY-MM-DD, or never.", names.last_day
)
@value("--daily-limit", "N", "Runs a day.", type=IntRange(0))
@value("--monthly-limit", "N", "Runs a month.", type=IntRange(0))
@value("--concurrent-limit", "N", "Runs at once.", type=IntRange(0))
def update(config: Settings, tenant_id: str, **named: Any) -> str:
    """Change what is named, and nothing else. Exports are changed by `tenant add`."""
    changes = tenants.Changes(**named)
    if changes == tenants.Changes():
        raise UsageProblem("Nothing to change: name at least one option; see --help.")
    tenants.update(options.opened(config).store, tenant_id, changes)
    return f"Tenant {tenant_id} was changed: see `runner tenant show {tenant_id}`."


@tenant.command()
@options.tenant_id
def suspend(config: Settings, tenant_id: str) -> str:
    """Refuse the tenant's runs until it is resumed; an active run ends by itself."""
    tenants.set_status(options.opened(config).store, tenant_id, "SUSPENDED")
    return f"Tenant {tenant_id} is suspended. Undo with: runner tenant resume {tenant_id}"


@tenant.command()
@options.tenant_id
def resume(config: Settings, tenant_id: str) -> str:
    """Let a suspended tenant run again."""
    tenants.set_status(options.opened(config).store, tenant_id, "ACTIVE")
    return f"Tenant {tenant_id} is active."


@tenant.command("repair")
@options.tenant_id
def repair_tenant(config: Settings, tenant_id: str) -> str:
    """Make what a tenant's tables lack, from its own rows; no row is changed.

    On BigQuery a column that the models no longer have is dropped, one of another type is changed.
    """
    # The spool is not drained first: its entries may need the very tables that are made here.
    repair.repair(options.opened(config, drains_spool=False), tenant_id)
    return f"Tenant {tenant_id} is complete. Check with: runner doctor --tenant {tenant_id}"


@tenant.command("remove")
@options.tenant_id
@flag("--yes", "Do not ask for the id again.")
def remove_tenant(config: Settings, tenant_id: str, yes: bool) -> str:
    """Delete one tenant's dataset, its bill and its records. Nothing is exported first."""
    context = options.opened(config)
    if not yes:
        again = click.prompt(f"This deletes all of tenant {tenant_id}. Type its id again", err=True)
        if again != tenant_id:
            raise UsageProblem(f"'{again}' is not '{tenant_id}': nothing was deleted.")
    remove.remove(context, tenant_id)
    return f"Tenant {tenant_id} was removed."
