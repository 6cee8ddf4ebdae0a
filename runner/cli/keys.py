"""API keys and service accounts: `tenant key`, `tenant credentials` and `admin-key`."""

import click
from click import IntRange

from runner import names
from runner.cli import options
from runner.cli.command import Group, Result
from runner.cli.options import flag, value
from runner.cli.text import table
from runner.control import accounts, keys
from runner.settings import Settings


@click.group(cls=Group)
def key() -> None:
    """Make, list and revoke the keys with which a tenant calls the REST service."""


@key.command("create")
@options.as_json
@options.tenant()
@value(
    "--scope scopes",
    "S",
    "What it allows: runs:read, runs:write (may be given again; default: both).",
    multiple=True,
)
@value(
    "--days",
    "N",
    "Until it ends by itself.",
    type=IntRange(1, 3650),
    default=365,
    show_default=True,
)
@flag("--never-expires", "It does not end by itself.")
@value("--description", "W", "What it is for.", default="")
def create_key(
    config: Settings,
    tenant: str,
    scopes: tuple[str, ...],
    days: int,
    never_expires: bool,
    description: str,
) -> Result:
    """Make a key and show it, this once: only its hash is kept."""
    lasts = None if never_expires else days
    made, secret = keys.create(
        options.opened(config).store, tenant, scopes, lasts, options.user_name(), description
    )
    ends = f"until {made.expires_at:%Y-%m-%d}" if made.expires_at else "until it is revoked"
    notes = (
        f"Key {made.id} of {tenant} for {', '.join(made.scopes)}, {ends}.",
        "Keep it now: it is not shown again.",
    )
    return Result({**made.document(), "api_key": secret}, secret, notes)


@key.command("list")
@options.as_json
@options.tenant()
def list_keys(config: Settings, tenant: str) -> Result:
    """List a tenant's keys: what each allows, until when, and when it was last used."""
    found = keys.of_tenant(options.opened(config).store, tenant)
    rows = [
        (
            one.id,
            one.state,
            ",".join(one.scopes),
            f"{one.created_at:%Y-%m-%d}",
            f"{one.expires_at:%Y-%m-%d}" if one.expires_at else "never",
            f"{one.last_used_at:%Y-%m-%d %H:%M}" if one.last_used_at else "never",
            one.created_by,
            one.description,
        )
        for one in found
    ]
    text = table(
        ("key", "state", "scopes", "made", "ends", "last used (UTC)", "by", "for"),
        rows,
        "No keys yet. Make one with: runner tenant key create --tenant ID",
    )
    return Result([one.document() for one in found], text)


@key.command("revoke")
@options.tenant()
@click.argument("key_id", metavar="KEY_ID")
def revoke_key(config: Settings, tenant: str, key_id: str) -> str:
    """End a key for good; a running service accepts it for some seconds more."""
    keys.revoke(options.opened(config).store, tenant, key_id)
    return f"Key {key_id} of {tenant} is revoked."


@click.group(cls=Group)
def admin_key() -> None:
    """Make the key that opens all tenants of the REST service."""


@admin_key.command("create")
@options.as_json
def create_admin_key(config: Settings) -> Result:
    """Make an admin key and show it, this once, with the setting for the service.

    Nothing is stored: the service takes the one key whose hash is in its environment.
    """
    secret = keys.new(keys.ADMIN_PREFIX)
    hashed = keys.hash_of(secret)
    notes = (
        "Keep it now: it is not shown again. Start `runner serve` with this setting:",
        f"export {keys.ADMIN_HASH}={hashed}",
    )
    return Result({"api_key": secret, keys.ADMIN_HASH: hashed}, secret, notes)


@click.group(cls=Group)
def credentials() -> None:
    """Name the service account as which a tenant's data is read and written on BigQuery."""


@credentials.command("set")
@options.as_json
@options.tenant()
@value(
    "--impersonate account",
    "SA",
    "Its address, such as acme-billing@my-project.iam.gserviceaccount.com.",
    names.service_account,
    required=True,
)
def set_credentials(config: Settings, tenant: str, account: str) -> Result:
    """Act as this service account for the tenant's data, from the next command on.

    Only its address is kept. dbt, costs and whatever else reads the tenant's data act as it; the
    control tables stay with the process's own account.
    """
    store = options.opened(config).store
    return _result(config, accounts.put(store, tenant, account, options.user_name()))


@credentials.command("show")
@options.as_json
@options.tenant()
def show_credentials(config: Settings, tenant: str) -> Result:
    """Show which service account a tenant has, and who set it when."""
    return _result(config, accounts.of(options.opened(config).store, tenant))


@credentials.command("clear")
@options.as_json
@options.tenant()
def clear_credentials(config: Settings, tenant: str) -> Result:
    """Go back to the process's own account for the tenant's data."""
    store = options.opened(config).store
    return _result(config, accounts.clear(store, tenant, options.user_name()))


def _result(config: Settings, found: accounts.Credentials) -> Result:
    """Which account a tenant's data is read and written as, and how to try it."""
    tenant = found.tenant_id
    if found.impersonate is None:
        text = f"Tenant {tenant} has no account of its own: the process's own is used."
        return Result(found, text)
    when = f", set {found.set_at:%Y-%m-%d %H:%M} UTC by {found.set_by}" if found.set_at else ""
    note = f"Try it: runner doctor --tenant {tenant}"
    if config.target({"tenant_id": "none"}).type == "duckdb":
        note = "On this local (DuckDB) target it is kept and not used: no Google account is asked."
    text = f"Tenant {tenant} is read and written as {found.impersonate}{when}."
    return Result(found, text, (note,))
