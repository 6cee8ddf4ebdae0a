"""Options that commands share, and the opening of the stores."""

import contextlib
import functools
import getpass
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import click
from click import IntRange

from runner import names, settings
from runner.cli.command import Command
from runner.context import Context, open_context
from runner.control import runs, spool, tenants
from runner.errors import UsageProblem, WarehouseUnreachable
from runner.mailing import SmtpMailbox
from runner.orchestration import alerts
from runner.settings import Settings

Function = TypeVar("Function", bound=Callable[..., Any])
# A command without a group.
command = functools.partial(click.command, cls=Command)


def _converting(convert: Callable[[str], Any] | None) -> Any:
    """A callback that converts a value if it is given; None without a conversion."""
    if convert is None:
        return None
    return lambda context, parameter, text: None if text is None else convert(text)


def value(
    named: str,
    metavar: str | None,
    help: str,
    convert: Callable[[str], Any] | None = None,
    **more: Any,
) -> Callable[[Function], Function]:
    """An option with a value. `named`: the option, and its parameter if the names differ."""
    callback = _converting(convert)
    return click.option(*named.split(), metavar=metavar, help=help, callback=callback, **more)


def flag(named: str, help: str) -> Callable[[Function], Function]:
    """An option without a value."""
    return click.option(*named.split(), is_flag=True, help=help)


def _complete(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    """Ids of tenants for a shell's completion; none on BigQuery, where a query takes seconds."""
    with contextlib.suppress(Exception):  # a trace would be printed into the line being typed
        config = settings.load(context.params.get("project_dir"), context.params.get("target"))
        if config.target({"tenant_id": "none"}).type == "duckdb":
            store = open_context(config, patience_seconds=1).store
            return [one for one in tenants.registered(store) if one.startswith(begun)]
    return []


tenant_id = click.argument(
    "tenant_id", metavar="ID", callback=_converting(names.tenant_id), shell_complete=_complete
)


def tenant(
    help: str = "Tenant, such as acme1281.", required: bool = True
) -> Callable[[Function], Function]:
    """--tenant, a valid id."""
    return value(
        *("--tenant", "ID", help, names.tenant_id), required=required, shell_complete=_complete
    )


@dataclass(frozen=True)
class Selection:
    """One tenant; or, if None, all active tenants of the shard, `workers` at once."""

    tenant: str | None
    workers: int
    shard: str | None
    trigger_by: str


def selection(function: Function) -> Callable[..., Any]:
    """Options that select tenants and name the user; the command gets a Selection."""

    @tenant(required=False)
    @flag("--all-tenants", "Every active tenant, several at once.")
    @value("--trigger-by", "NAME", "The person or program that starts it (default: your user).")
    @value(
        "--workers",
        "N",
        "With --all-tenants: number of runs at once (default: one for each core).",
        type=IntRange(1, 64),
    )
    @value("--shard", "i/n", "With --all-tenants: only part i of n, from 0, for job arrays.")
    @functools.wraps(function)
    def with_selection(
        tenant: str | None,
        all_tenants: bool,
        trigger_by: str | None,
        workers: int | None,
        shard: str | None,
        **rest: Any,
    ) -> Any:
        if (tenant is None) != all_tenants:
            raise UsageProblem("Name the tenants with either --tenant ID or --all-tenants.")
        if tenant is not None and (workers or shard):
            raise UsageProblem("--workers and --shard need --all-tenants: remove them.")
        chosen = Selection(tenant, workers or cores(), shard, trigger_by or user_name())
        return function(selection=chosen, **rest)

    return with_selection


def opened(
    config: Settings, tenant: str | None = None, sends_mail: bool = False, drains_spool: bool = True
) -> Context:
    """The stores, after writing what earlier commands have spooled.

    For a tenant, dead runs are closed, and due alerts are sent at the end. `sends_mail`: raises
    UsageProblem for invalid mail settings, before a run is claimed.
    """
    context = replace(open_context(config), echo=echo)
    if tenant is not None or sends_mail:
        mail = config.mail
        context = replace(context, mailbox=SmtpMailbox(lambda: mail))
    if drains_spool and context.store.exists():
        spool.drain(config, context.store)
    if tenant is not None:
        tenants.find(context.store, tenant)
        try:
            runs.end_dead_leases(context.store, tenant)
        except WarehouseUnreachable as problem:  # a claim needs it and tries again, others do not
            echo(f"WARNING: a dead run of {tenant} could not be closed: {problem.message}")
        deliver_at_the_end(context, tenant)
    return context


def deliver_at_the_end(context: Context, tenant: str) -> None:
    """Send the tenant's due alerts after the command's own output: a mail server may be slow."""
    click.get_current_context().call_on_close(functools.partial(alerts.deliver, context, tenant))


def echo(text: str) -> None:
    """Print a text on stderr: on stdout is only the result."""
    click.echo(text, err=True)


def user_name() -> str:
    """The user that calls the command, for its records."""
    try:
        return names.line(getpass.getuser())  # LOGNAME may be anything
    except (KeyError, OSError, UsageProblem):
        return "cli"


def cores() -> int:
    return os.cpu_count() or 1
