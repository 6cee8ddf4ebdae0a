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
    """Create, list and revoke a tenant's keys for the REST service."""


@key.command("create")
@options.tenant()
@value(
    "--scope scopes",
    "S",
    "Scope of the key: runs:read or runs:write (repeatable; default: both).",
    multiple=True,
)
@value("--days", "N", "Days until it expires (default 365).", type=IntRange(1, 3650), default=365)
@flag("--never-expires", "It is valid until it is revoked.")
@value("--description", "TEXT", "The purpose of the key.", default="")
def create_key(
    config: Settings,
    tenant: str,
    scopes: tuple[str, ...],
    days: int,
    never_expires: bool,
    description: str,
) -> Result:
    """Create a key and print it. Only its hash is stored, so it cannot be shown again."""
    lasts = None if never_expires else days
    made, secret = keys.create(
        options.opened(config).store, tenant, scopes, lasts, options.user_name(), description
    )
    ends = f"until {made.expires_at:%Y-%m-%d}" if made.expires_at else "until it is revoked"
    notes = (
        f"Key {made.id} of {tenant} for {', '.join(made.scopes)}, {ends}.",
        "Save it now: it cannot be shown again.",
    )
    return Result({**made.document(), "api_key": secret}, secret, notes)


@key.command("list")
@options.tenant()
def list_keys(config: Settings, tenant: str) -> Result:
    """List a tenant's keys with their scopes, expiry and last use."""
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
        ("key", "state", "scopes", "created", "expires", "last used (UTC)", "by", "description"),
        rows,
        "No keys yet. Create one with: runner tenant key create --tenant ID",
    )
    return Result([one.document() for one in found], text)


@key.command("revoke")
@options.tenant()
@click.argument("key_id", metavar="KEY_ID")
def revoke_key(config: Settings, tenant: str, key_id: str) -> str:
    """Revoke a key for ever; a running service may still accept it for up to 5 seconds."""
    keys.revoke(options.opened(config).store, tenant, key_id)
    return f"Key {key_id} of {tenant} was revoked."


@click.group(cls=Group)
def admin_key() -> None:
    """Create the REST service's key for all tenants."""


@admin_key.command("create")
def create_admin_key(config: Settings) -> Result:
    """Create an admin key and print it, and its hash as a setting of the service.

    Nothing is stored: the service accepts the key whose hash is in its environment.
    """
    secret = keys.new(keys.ADMIN_PREFIX)
    hashed = keys.hash_of(secret)
    notes = (
        "Save it now: it cannot be shown again. Start `runner serve` with this setting:",
        f"export {keys.ADMIN_HASH}={hashed}",
    )
    return Result({"api_key": secret, keys.ADMIN_HASH: hashed}, secret, notes)


@click.group(cls=Group)
def credentials() -> None:
    """Set the service account that reads and writes a tenant's data on BigQuery."""


@credentials.command("set")
@options.tenant()
@value(
    "--impersonate account",
    "SA",
    "Its address, such as acme-billing@my-project.iam.gserviceaccount.com.",
    names.service_account,
    required=True,
)
def set_credentials(config: Settings, tenant: str, account: str) -> Result:
    """Use this service account for the tenant's data, from the next command on.

    Only its address is stored. dbt and all queries of the tenant's data use it; the control tables
    are read and written by the process's own account.
    """
    store = options.opened(config).store
    return _result(config, accounts.put(store, tenant, account, options.user_name()))


@credentials.command("show")
@options.tenant()
def show_credentials(config: Settings, tenant: str) -> Result:
    """Show a tenant's service account, and when and by whom it was set."""
    return _result(config, accounts.of(options.opened(config).store, tenant))


@credentials.command("clear")
@options.tenant()
def clear_credentials(config: Settings, tenant: str) -> Result:
    """Use the process's own account for the tenant's data."""
    store = options.opened(config).store
    return _result(config, accounts.clear(store, tenant, options.user_name()))


def _result(config: Settings, found: accounts.Credentials) -> Result:
    """The account of a tenant's data, and how to test it."""
    tenant = found.tenant_id
    if found.impersonate is None:
        text = f"Tenant {tenant} has no service account: the process's own account is used."
        return Result(found, text)
    when = f", set {found.set_at:%Y-%m-%d %H:%M} UTC by {found.set_by}" if found.set_at else ""
    note = f"Test it with: runner doctor --tenant {tenant}"
    if config.target({"tenant_id": "none"}).type == "duckdb":
        note = "This local (DuckDB) target stores the account but does not use it."
    text = f"The data of tenant {tenant} is read and written as {found.impersonate}{when}."
    return Result(found, text, (note,))
