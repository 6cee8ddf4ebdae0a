"""The command line: parse, call, say, exit."""

import contextlib
import functools
import itertools
import logging
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from runner import __version__, logs, names, settings, streams
from runner.errors import Interrupted, Refused, RunnerError, UsageProblem
from runner.settings import Settings

if TYPE_CHECKING:
    from runner.context import Context
    from runner.control.accounts import Credentials
    from runner.dates import DateRange
    from runner.orchestration import batch, threads
    from runner.orchestration.report import Report
    from runner.pipelines.templates import Template

Command = TypeVar("Command", bound=Callable[..., Any])

STATUSES = ("PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED", "REFUSED")


class NearMatches(click.Group):
    """A group that answers a mistyped command with the nearest ones."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0] if args else ""
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            near = get_close_matches(name, self.commands, n=1)
            hint = f"did you mean '{near[0]}'?" if near else "see `runner --help`."
            raise UsageProblem(f"There is no command '{name}': {hint}")
        return super().resolve_command(ctx, args)


class CommandLine(NearMatches):
    """All commands. What goes wrong is one sentence on stderr; with --json a document, too."""

    def main(self, *args: Any, **named: Any) -> NoReturn:
        """Run one command and exit as it did."""
        words = list(sys.argv[1:] if named.get("args") is None else named["args"])
        try:
            for word in words:
                # SQL may have lines.
                names.line(" ".join(word.split()) if "query" in words[:1] else word)
            sys.exit(super().main(*args, **{**named, "standalone_mode": False}) or 0)
        except click.Abort:
            # Ctrl-C is Interrupted, see main(): here a prompt came to the end of its input.
            error: click.ClickException = UsageProblem("Nobody answered: nothing was done.")
        except click.ClickException as problem:
            error = problem
        error.show()
        _tell_machines(words, error)
        sys.exit(error.exit_code)


def _tell_machines(words: Sequence[str], error: click.ClickException) -> None:
    """Print an error as a document, if --json is among the words."""
    if "--json" not in words:
        return
    from runner.cli import output

    told = {"error": error.format_message(), "exit_code": error.exit_code}
    click.echo(output.as_json({**(getattr(error, "document", None) or {}), **told}))


def common(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that every command takes; the command gets the settings they make."""

    @click.option(
        "--project-dir",
        metavar="DIR",
        envvar="RUNNER_PROJECT_DIR",
        help="The dbt project's folder.",
    )
    @click.option("--target", metavar="NAME", help="Target in profiles.yml (default: its own).")
    @click.option("--verbose", is_flag=True, help="Show the log, tracebacks included, on stderr.")
    @functools.wraps(command)
    def with_settings(
        project_dir: str | None, target: str | None, verbose: bool, **rest: Any
    ) -> Any:
        config = settings.load(project_dir, target)
        config.require_own_folders()
        logs.setup(config, verbose)
        return command(config, **rest)

    return with_settings


def json_option(command: Command) -> Command:
    """--json."""
    return click.option(
        "--json", "as_json", is_flag=True, help="One JSON document on stdout, progress on stderr."
    )(command)


def tenant_option(command: Command) -> Command:
    """--tenant."""
    return click.option("--tenant", required=True, metavar="ID", help="Tenant, such as acme1281.")(
        command
    )


workers_option = click.option(
    "--workers",
    type=click.IntRange(min=1, max=64),
    default=None,
    metavar="N",
    help="With --all-tenants: how many at once (default: one a core).",
)
shard_option = click.option(
    "--shard",
    default=None,
    metavar="i/n",
    help="With --all-tenants: only part i of n, from 0, for job arrays.",
)


@click.group(cls=CommandLine, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="runner")
def cli() -> None:
    """What each tenant spends on Google Cloud: run, record and watch the dbt project.

    Exit codes: 0 done, 1 the run failed, 2 usage or configuration, 3 refused by quota,
    4 the warehouse could not be reached, 130 and 143 stopped by Ctrl-C and SIGTERM.
    """


@cli.command()
@common
@click.option(
    "--sample-rows",
    type=click.IntRange(min=1),
    default=None,
    help="About how many rows the sample export has (default 750,000).",
)
def init(config: Settings, sample_rows: int | None) -> None:
    """Make profiles.yml, and on the local target a sample export and the tenant acme1281.

    What is there is left as it is: run it as often as you like.
    """
    from runner.context import open_context
    from runner.onboarding import demo

    for line in demo.prepare(replace(open_context(config), echo=_say), sample_rows):
        click.echo(line)


@cli.group(cls=NearMatches)
def tenant() -> None:
    """Add, look at, change and remove tenants."""


@tenant.command("add")
@common
@click.argument("tenant_id", metavar="ID")
@click.option("--admin-email", required=True, metavar="E", help="Where the tenant's alerts go.")
@click.option("--company", metavar="N", help="Name of the company.")
@click.option(
    "--plan",
    type=click.Choice(["starter", "professional", "scale"]),
    help="Limits: 6, 25 or 100 runs a day; 3, 5 or 10 at once (default for a new one: starter).",
)
@click.option(
    "--export",
    "refs",
    required=True,
    multiple=True,
    metavar="REF",
    help="BigQuery table project.dataset.table, locally a Parquet, NDJSON or CSV path or glob; or"
    " tenant:ID, the landing of that id.",
)
@click.option(
    "--billing-account",
    "accounts",
    multiple=True,
    metavar="A",
    help="Only this billing account of the export (may be given again).",
)
@click.option(
    "--project",
    "projects",
    multiple=True,
    metavar="P",
    help="Only this project (may be given again). Leaves out charges without a project.",
)
@click.option(
    "--with-unallocated/--without-unallocated",
    default=None,
    help="With --project: charges without a project (tax, support) are the tenant's, too.",
)
@click.option(
    "--landing",
    "is_landing",
    is_flag=True,
    help="Read the export once for other tenants, whose --export is then tenant:ID.",
)
@click.option(
    "--all-accounts",
    is_flag=True,
    help="Forget the accounts and projects of before: only those named now limit the tenant.",
)
def tenant_add(
    config: Settings,
    tenant_id: str,
    admin_email: str,
    company: str | None,
    plan: str | None,
    refs: tuple[str, ...],
    accounts: tuple[str, ...],
    projects: tuple[str, ...],
    with_unallocated: bool | None,
    is_landing: bool,
    all_accounts: bool,
) -> None:
    """Add a tenant, or bring one up to date: what is not named stays. Safe to run again."""
    from runner.control import tenants
    from runner.onboarding import onboard

    spec = onboard.TenantSpec(
        tenant_id,
        admin_email,
        refs,
        company,
        tenants.PLANS[plan] if plan else None,
        accounts,
        projects,
        with_unallocated,
        all_accounts,
        is_landing,
    )
    onboard.validated(config, spec)
    context = replace(_open(config), echo=_say)
    named = onboard.onboard(context, spec, on_private=_say)
    click.echo(f"Tenant {tenant_id} is ready. Next: runner run --tenant {tenant_id} --date D")
    if not named[0].has_unallocated:
        click.echo(
            "Charges without a project (tax, support, rounding) are not in its bill:"
            " add --with-unallocated if they are this tenant's."
        )


@tenant.command("list")
@common
@json_option
def tenant_list(config: Settings, as_json: bool) -> None:
    """List the tenants."""
    from runner.cli import output
    from runner.control import tenants

    found = tenants.every(_open(config).store)
    if as_json:
        click.echo(output.as_json([one.__dict__ for one in found]))
    else:
        click.echo(output.tenant_list(found))


@tenant.command("show")
@common
@json_option
@click.argument("tenant_id", metavar="ID")
def tenant_show(config: Settings, as_json: bool, tenant_id: str) -> None:
    """Show one tenant: profile, limits and exports."""
    from runner.cli import output
    from runner.control import tenants

    context = _open(config)
    one = tenants.find(context.store, tenant_id)
    named = tenants.exports(context.store, tenant_id)
    if as_json:
        click.echo(output.as_json({**one.__dict__, "exports": [e.__dict__ for e in named]}))
    else:
        click.echo(output.tenant(one, named))


@tenant.command("update")
@common
@click.argument("tenant_id", metavar="ID")
@click.option("--admin-email", metavar="E", help="Where the tenant's alerts go.")
@click.option("--company", metavar="N", help="Name of the company.")
@click.option(
    "--plan",
    type=click.Choice(["starter", "professional", "scale"]),
    help="Another plan, with its limits.",
)
@click.option(
    "--subscription",
    type=click.Choice(["active", "trial", "expired", "cancelled"]),
    help="Standing of the subscription; only the first two may run.",
)
@click.option("--ends", metavar="D", help="Last day of the subscription, YYYY-MM-DD, or never.")
@click.option("--trial-ends", metavar="D", help="Last day of a trial, YYYY-MM-DD, or never.")
@click.option("--daily-limit", type=click.IntRange(min=0), help="Runs a day.")
@click.option("--monthly-limit", type=click.IntRange(min=0), help="Runs a month.")
@click.option("--concurrent-limit", type=click.IntRange(min=0), help="Runs at once.")
def tenant_update(
    config: Settings,
    tenant_id: str,
    admin_email: str | None,
    company: str | None,
    plan: str | None,
    subscription: str | None,
    ends: str | None,
    trial_ends: str | None,
    daily_limit: int | None,
    monthly_limit: int | None,
    concurrent_limit: int | None,
) -> None:
    """Change what is named, and nothing else. Exports are changed by `tenant add`."""
    from runner.control import tenants

    named = (admin_email, company, plan, subscription, ends, trial_ends)
    limits = (daily_limit, monthly_limit, concurrent_limit)
    if all(value is None for value in (*named, *limits)):
        raise UsageProblem("Nothing to change: name at least one option; see --help.")
    tenants.update(
        _open(config).store,
        tenant_id,
        admin_email=names.email(admin_email) if admin_email is not None else None,
        company_name=company,
        plan=tenants.PLANS[plan] if plan else None,
        subscription_status=subscription.upper() if subscription else None,
        end_date=names.last_day(ends) if ends is not None else None,
        trial_end_date=names.last_day(trial_ends) if trial_ends is not None else None,
        daily_limit=daily_limit,
        monthly_limit=monthly_limit,
        concurrent_limit=concurrent_limit,
    )
    click.echo(f"Tenant {tenant_id} was changed: see `runner tenant show {tenant_id}`.")


@tenant.command("suspend")
@common
@click.argument("tenant_id", metavar="ID")
def tenant_suspend(config: Settings, tenant_id: str) -> None:
    """Refuse the tenant's runs until it is resumed; what runs now ends by itself."""
    from runner.control import tenants

    tenants.set_status(_open(config).store, tenant_id, "SUSPENDED")
    click.echo(f"Tenant {tenant_id} is suspended. Undo with: runner tenant resume {tenant_id}")


@tenant.command("resume")
@common
@click.argument("tenant_id", metavar="ID")
def tenant_resume(config: Settings, tenant_id: str) -> None:
    """Let a suspended tenant run again."""
    from runner.control import tenants

    tenants.set_status(_open(config).store, tenant_id, "ACTIVE")
    click.echo(f"Tenant {tenant_id} is active.")


@tenant.command("repair")
@common
@click.argument("tenant_id", metavar="ID")
def tenant_repair(config: Settings, tenant_id: str) -> None:
    """Make what a tenant's tables lack, from its own rows; no row is changed.

    On BigQuery a column that the models have no more goes, and one of another type is changed.
    """
    from runner.context import open_context
    from runner.onboarding import repair

    names.tenant_id(tenant_id)
    # Not _open: what waits in the spool may want the very tables that are made here.
    repair.repair(replace(open_context(config), echo=_say), tenant_id)
    click.echo(f"Tenant {tenant_id} is whole. See for yourself: runner doctor --tenant {tenant_id}")


@tenant.command("remove")
@common
@click.argument("tenant_id", metavar="ID")
@click.option("--yes", is_flag=True, help="Do not ask for the id again.")
def tenant_remove(config: Settings, tenant_id: str, yes: bool) -> None:
    """Delete one tenant's dataset, its bill and its records. Nothing is exported first."""
    from runner.onboarding import remove

    names.tenant_id(tenant_id)
    context = _open(config)
    if not yes:
        again = click.prompt(f"This deletes all of tenant {tenant_id}. Type its id again", err=True)
        if again != tenant_id:
            raise UsageProblem(f"'{again}' is not '{tenant_id}': nothing was deleted.")
    remove.remove(context, tenant_id)
    click.echo(f"Tenant {tenant_id} was removed.")


@tenant.group("key", cls=NearMatches)
def tenant_key() -> None:
    """Make, list and revoke the keys with which a tenant calls the REST service."""


@tenant_key.command("create")
@common
@json_option
@tenant_option
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    metavar="S",
    help="What it allows: runs:read, runs:write (may be given again; default: both).",
)
@click.option(
    "--days",
    type=click.IntRange(min=1, max=3650),
    default=365,
    show_default=True,
    help="Until it ends by itself.",
)
@click.option("--never-expires", is_flag=True, help="It does not end by itself.")
@click.option("--description", default="", metavar="W", help="What it is for.")
def tenant_key_create(
    config: Settings,
    as_json: bool,
    tenant: str,
    scopes: tuple[str, ...],
    days: int,
    never_expires: bool,
    description: str,
) -> None:
    """Make a key and show it, this once: only its hash is kept."""
    from runner.cli import output
    from runner.control import keys

    names.tenant_id(tenant)
    lasts = None if never_expires else days
    key, secret = keys.create(_open(config).store, tenant, scopes, lasts, _who(), description)
    if as_json:
        click.echo(output.as_json({**key.document(), "api_key": secret}))
    else:
        click.echo(secret)
        ends = f"until {key.expires_at:%Y-%m-%d}" if key.expires_at else "until it is revoked"
        _say(f"Key {key.id} of {tenant} for {', '.join(key.scopes)}, {ends}.")
        _say("Keep it now: it is not shown again.")


@tenant_key.command("list")
@common
@json_option
@tenant_option
def tenant_key_list(config: Settings, as_json: bool, tenant: str) -> None:
    """List a tenant's keys: what each allows, until when, and when it was last used."""
    from runner.cli import output
    from runner.control import keys

    found = keys.of_tenant(_open(config).store, tenant)
    click.echo(output.as_json([k.document() for k in found]) if as_json else output.key_list(found))


@tenant_key.command("revoke")
@common
@tenant_option
@click.argument("key_id", metavar="KEY_ID")
def tenant_key_revoke(config: Settings, tenant: str, key_id: str) -> None:
    """End a key for good; a service that runs takes it for some seconds yet."""
    from runner.control import keys

    keys.revoke(_open(config).store, tenant, key_id)
    click.echo(f"Key {key_id} of {tenant} is revoked.")


@cli.group("admin-key", cls=NearMatches)
def admin_key() -> None:
    """Make the key that opens all tenants of the REST service."""


@admin_key.command("create")
@common
@json_option
def admin_key_create(config: Settings, as_json: bool) -> None:
    """Make an admin key and show it, this once, with the line that has the service take it.

    Nothing is stored: the service takes the one key whose hash is in its environment.
    """
    from runner.cli import output
    from runner.control import keys

    secret = keys.new(keys.ADMIN_PREFIX)
    setting = {keys.ADMIN_HASH: keys.hash_of(secret)}
    if as_json:
        click.echo(output.as_json({"api_key": secret, **setting}))
        return
    click.echo(secret)
    _say("Keep it now: it is not shown again. Start `runner serve` with this setting:")
    for name, value in setting.items():
        _say(f"export {name}={value}")


@tenant.group("credentials", cls=NearMatches)
def tenant_credentials() -> None:
    """Name the service account as which a tenant's data is read and written on BigQuery."""


@tenant_credentials.command("set")
@common
@json_option
@tenant_option
@click.option(
    "--impersonate",
    "account",
    required=True,
    metavar="SA",
    help="Its address, such as acme-billing@my-project.iam.gserviceaccount.com.",
)
def tenant_credentials_set(config: Settings, as_json: bool, tenant: str, account: str) -> None:
    """Act as this service account for the tenant's data, from the next command on.

    Only its address is kept. dbt, costs and whatever else reads the tenant's data act as it; the
    control tables stay with the process's own account.
    """
    from runner.control.accounts import put

    names.service_account(account)
    _tell_credentials(config, as_json, put(_open(config).store, tenant, account, _who()))


@tenant_credentials.command("show")
@common
@json_option
@tenant_option
def tenant_credentials_show(config: Settings, as_json: bool, tenant: str) -> None:
    """Show which service account a tenant has, and who set it when."""
    from runner.control.accounts import of

    _tell_credentials(config, as_json, of(_open(config).store, tenant))


@tenant_credentials.command("clear")
@common
@json_option
@tenant_option
def tenant_credentials_clear(config: Settings, as_json: bool, tenant: str) -> None:
    """Go back to the process's own account for the tenant's data."""
    from runner.control.accounts import clear

    _tell_credentials(config, as_json, clear(_open(config).store, tenant, _who()))


def _tell_credentials(config: Settings, as_json: bool, told: "Credentials") -> None:
    from runner.cli import output

    click.echo(output.as_json(told.__dict__) if as_json else output.credentials(told))
    if told.impersonate is None:
        return
    if config.target({"tenant_id": "none"}).type == "duckdb":
        _say("On this local (DuckDB) target it is kept and not used: no Google account is asked.")
    else:
        _say(f"Try it: runner doctor --tenant {told.tenant_id}")


@cli.command()
@common
@json_option
@click.option("--tenant", metavar="ID", help="Tenant, such as acme1281.")
@click.option("--all-tenants", is_flag=True, help="Every active tenant, several at once.")
@click.option("--date", "day", metavar="D", help="Usage date (UTC), YYYY-MM-DD.")
@click.option("--from", "first", metavar="A", help="First usage date, with --to.")
@click.option("--to", "last", metavar="B", help="Last usage date, included.")
@click.option("--pipeline", default=None, metavar="P", help="Template (default: the tenant's own).")
@click.option("--trigger-by", default=None, metavar="W", help="Who or what asks (default: you).")
@click.option("--wait", is_flag=True, help="If another run has some of the dates, wait for it.")
@click.option(
    "--resume", is_flag=True, help="Leave out the parts of a range that were loaded within a day."
)
@click.option(
    "--dry-run", is_flag=True, help="Only tell what it would read and cost; nothing is written."
)
@workers_option
@shard_option
def run(
    config: Settings,
    as_json: bool,
    tenant: str | None,
    all_tenants: bool,
    day: str | None,
    first: str | None,
    last: str | None,
    pipeline: str | None,
    trigger_by: str | None,
    wait: bool,
    resume: bool,
    dry_run: bool,
    workers: int | None,
    shard: str | None,
) -> None:
    """Extract, build, test and reconcile a tenant's bill for one usage date or a range.

    A range is one scan and one run; one of over a year is done in parts of a year.
    """
    if (tenant is None) != all_tenants:
        raise UsageProblem("Name whose bill: either --tenant ID, or --all-tenants.")
    if tenant is not None:
        names.tenant_id(tenant)
    if tenant is not None and (workers or shard):
        raise UsageProblem("--workers and --shard go with --all-tenants: leave them out.")
    if dry_run and tenant is None:
        raise UsageProblem("--dry-run goes with --tenant: name one.")
    if (day is None) == (first is None and last is None) or (first is None) != (last is None):
        raise UsageProblem("Name the dates: either --date D, or --from A and --to B.")
    from_date, to_date = names.usage_date(day or first or ""), names.usage_date(day or last or "")
    if from_date > to_date:
        raise UsageProblem(f"--from {from_date} is after --to {to_date}: swap them.")

    from runner.cli import output
    from runner.control import claim, tenants
    from runner.orchestration import batch, claiming
    from runner.pipelines import templates

    dates = claiming.date_range(from_date, to_date)
    _ = config.mail  # a mistake in it is found before anything is run
    context = _open(config)
    trigger = claim.Trigger("manual", trigger_by or _who())
    if tenant is None:
        if pipeline:
            templates.load(pipeline)
        order = batch.Order(pipeline, dates, trigger, wait, resume)
        waves = batch.active_tenants(context.store, shard)
        _run_all(context, waves, order, workers or os.cpu_count() or 1, as_json)
        return
    known = tenants.known(context.store, tenant)
    pipeline = pipeline or known.pipeline
    order = batch.Order(pipeline, dates, trigger, wait, resume)
    try:
        template = templates.load(pipeline)
    except UsageProblem as unknown:
        if not dry_run:
            claiming.refuse(context, tenant, pipeline, dates, trigger, unknown.message)
        raise
    if dry_run:
        _estimate(context, tenant, template, dates, as_json)
        return
    with output.Progress(quiet=False) as progress, context:
        try:
            watched = replace(context, on_event=progress.follow, echo=progress.say)
            reports = batch.load(watched, known, order)
        except Refused as refusal:
            refusal.document = output.refusal_document(refusal)
            raise
    _tell(config, tenant, reports, len(dates.chunks()), as_json)


def _run_all(
    context: "Context", waves: list[list[str]], order: "batch.Order", workers: int, as_json: bool
) -> None:
    """The order for every tenant; a line on stderr as each ends, a table at the end."""
    from runner.cli import output
    from runner.orchestration import batch

    told = _counting(waves, batch.status_of, batch.message_of)
    with context:
        ended = batch.for_all(
            context, waves, lambda own, known: batch.load(own, known, order), workers, told
        )
    click.echo(output.as_json(output.all_document(ended)) if as_json else output.all_tenants(ended))
    _unless_stopped(context, waves, len(ended))
    sys.exit(batch.exit_code([batch.status_of(one) for one in ended]))


def _counting(
    waves: list[list[str]], status: Callable[[Any], str], message: Callable[[Any], str]
) -> "Callable[[threads.Done[Any]], None]":
    """Says of each tenant that ended how, and how many of all that were."""
    ended, total = itertools.count(1), sum(map(len, waves))

    def told(done: "threads.Done[Any]") -> None:
        line = f"[{next(ended)}/{total}] {done.name} {status(done)} {message(done)}"
        _say(" ".join(line.split()))

    return told


def _unless_stopped(context: "Context", waves: list[list[str]], ended: int) -> None:
    """Exit as the signal asks, if one came."""
    if number := context.stop.number:
        _say(f"Stopped: {sum(map(len, waves)) - ended} tenants were not begun.")
        sys.exit(128 + number)


@cli.command("catch-up")
@common
@json_option
@click.option("--tenant", default=None, metavar="ID", help="Tenant, such as acme1281.")
@click.option("--all-tenants", is_flag=True, help="Every active tenant, several at once.")
@click.option("--trigger-by", default=None, metavar="W", help="Who or what asks (default: you).")
@click.option("--dry-run", is_flag=True, help="Only tell the dates; nothing is run or written.")
@workers_option
@shard_option
def catch_up(
    config: Settings,
    as_json: bool,
    tenant: str | None,
    all_tenants: bool,
    trigger_by: str | None,
    dry_run: bool,
    workers: int | None,
    shard: str | None,
) -> None:
    """Run the dates that moved since they were loaded, those never loaded and those that failed.

    The one command to schedule: a new tenant's first catch-up is its backfill, a later one reads
    only the export's newest partitions. Exit 0 when nothing moved.
    """
    if (tenant is None) != all_tenants:
        raise UsageProblem("Name one tenant with --tenant, or all with --all-tenants.")
    if tenant is not None:
        names.tenant_id(tenant)
    if tenant is not None and (workers or shard):
        raise UsageProblem("--workers and --shard go with --all-tenants: leave them out.")

    from runner.cli import output
    from runner.control import tenants
    from runner.orchestration import batch
    from runner.orchestration import catch_up as catching

    _ = config.mail  # a mistake in it is found before anything is run
    context = _open(config)
    who = trigger_by or _who()
    if tenant is not None:
        known = tenants.known(context.store, tenant)
        _send_alerts_at_the_end(context, tenant)
        with output.Progress(quiet=False) as progress, context:
            watched = replace(context, on_event=progress.follow, echo=progress.say)
            one = catching.catch_up(watched, known, who, dry_run)
        document = output.catch_up_document(one)
        click.echo(output.as_json(document) if as_json else output.catch_up(one, dry_run))
        sys.exit(one.exit_code)
    waves = batch.active_tenants(context.store, shard)
    told = _counting(waves, batch.caught_up, batch.why_not_caught_up)
    with context:
        ended = batch.for_all(
            context,
            waves,
            lambda own, known: catching.catch_up(own, known, who, dry_run),
            workers or os.cpu_count() or 1,
            told,
        )
    every = [batch.as_catch_up(done) for done in ended]
    if as_json:
        click.echo(output.as_json({"tenants": [output.catch_up_document(one) for one in every]}))
    else:
        click.echo("\n".join(output.catch_up(one, dry_run) for one in every))
    _unless_stopped(context, waves, len(ended))
    codes = {one.exit_code for one in every}
    sys.exit(1 if codes - {0, 3} else max(codes, default=0))


@cli.command()
@common
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(min=0, max=65535), default=8080, show_default=True, help="Port."
)
@click.option(
    "--workers",
    type=click.IntRange(min=1, max=64),
    default=None,
    metavar="N",
    help="How many runs at once (default: one a core).",
)
@click.option(
    "--grace",
    type=click.IntRange(min=0),
    default=60,
    show_default=True,
    metavar="S",
    help="Seconds that runs have to end in once the service is stopped; then they wait again.",
)
def serve(config: Settings, host: str, port: int, workers: int | None, grace: int) -> None:
    """Serve the REST API, its page at / and its metrics at /metrics, until stopped."""
    try:
        from runner.api import server
    except ImportError as missing:
        raise UsageProblem(
            f"`runner serve` needs the package {missing.name}: run `make run`, which installs it."
        ) from None
    server.serve(config, host, port, workers or os.cpu_count() or 1, grace, _say)


@cli.command()
@common
@json_option
@tenant_option
@click.argument("run_id")
def status(config: Settings, as_json: bool, tenant: str, run_id: str) -> None:
    """Show one run, which run published each of its dates last, and its steps."""
    from runner import findings
    from runner.cli import output
    from runner.control import runs as control_runs
    from runner.control import runs_sql, turns
    from runner.control.runs import steps_of
    from runner.orchestration import publications
    from runner.orchestration.standing import standing_document

    context = _open(config, tenant)
    rows = context.store.read(runs_sql.RUN.format(tenant=tenant), run_id=run_id)
    if not rows:
        raise UsageProblem(
            f"Tenant {tenant} has no run '{run_id}': see `runner runs --tenant {tenant}`."
        )
    run = control_runs.as_run(rows[0])
    run = replace(run, waits_for=turns.waiting_for(context.store, run))
    steps = steps_of(context.store, tenant, run_id)
    recorded, standing = publications.published_dates(context.store, run)
    if as_json:
        document = {
            **rows[0],
            "warnings": run.warnings,
            "waits_for": run.waits_for,
            "publications": findings.parsed(rows[0]["publications"]),
            "published_dates": standing_document(standing),
            "steps": steps,
        }
        click.echo(output.as_json(document))
    else:
        unrecorded = publications.unrecorded(recorded)
        click.echo(output.run_with_steps(run, steps, standing, unrecorded))


@cli.command()
@common
@json_option
@tenant_option
@click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many at most."
)
@click.option("--status", "run_status", default="", metavar="S", help="Only runs of this status.")
@click.option("--date", "day", default=None, metavar="D", help="Only runs that cover this date.")
@click.option("--pipeline", default="", metavar="P", help="Only this pipeline or template.")
def runs(
    config: Settings,
    as_json: bool,
    tenant: str,
    limit: int,
    run_status: str,
    day: str | None,
    pipeline: str,
) -> None:
    """List a tenant's runs, newest first."""
    from runner.cli import output
    from runner.control import runs as control_runs
    from runner.control import runs_sql
    from runner.pipelines import templates

    if run_status and run_status.upper() not in STATUSES:
        raise UsageProblem(f"'{run_status}' is no status: use one of {', '.join(STATUSES)}.")
    rows = _open(config, tenant).store.read(
        runs_sql.RUNS.format(tenant=tenant),
        status=run_status.upper(),
        day=names.day(day) if day else None,
        pipeline=pipeline,
        limit=limit,
    )
    if pipeline and not rows and pipeline not in templates.names():
        _say(f"There is no pipeline '{pipeline}': use one of {', '.join(templates.names())}.")
    if as_json:
        click.echo(
            output.as_json([{**row, "warnings": control_runs.as_run(row).warnings} for row in rows])
        )
    else:
        click.echo(output.run_list([control_runs.as_run(row) for row in rows]))


@cli.command()
@common
@tenant_option
@click.argument("run_id")
def cancel(config: Settings, tenant: str, run_id: str) -> None:
    """Stop an active run: it is CANCELLED at once, its process ends within seconds."""
    from runner.control import runs as control_runs
    from runner.control import runs_sql

    context = _open(config, tenant)
    rows = context.store.read(runs_sql.RUN.format(tenant=tenant), run_id=run_id)
    if not rows:
        raise UsageProblem(
            f"Tenant {tenant} has no run '{run_id}': see `runner runs --tenant {tenant}`."
        )
    if not control_runs.cancel(context.store, tenant, run_id, f"cancelled by {_who()}"):
        raise UsageProblem(f"Run {run_id} has ended already: it is {rows[0]['status']}.")
    click.echo(f"Run {run_id} was cancelled.")


@cli.command()
@common
@json_option
@tenant_option
def quota(config: Settings, as_json: bool, tenant: str) -> None:
    """Show what a tenant has used of its limits, what is left and when it resets."""
    from runner.cli import output
    from runner.control import quota as quotas

    told = quotas.of(_open(config, tenant).store, tenant)
    click.echo(output.as_json(told.document()) if as_json else output.quota(told))


@cli.command("query")
@common
@click.argument("sql")
@click.option(
    "--tenant", default=None, metavar="ID", help="Whose tables are named without a dataset."
)
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="Comma-separated values with a header line.")
def run_query(config: Settings, as_json: bool, sql: str, tenant: str | None, as_csv: bool) -> None:
    """Run one SELECT over bills, runs and quotas.

    Tables are named as in BigQuery, such as acme1281.cost_daily, acme1281.x_meta_pipeline_runs or
    tenants.tenant_usage_quotas, and may be joined. Nothing can be changed. The functions are the
    engine's own: DuckDB's on the local target.
    """
    from runner.cli import output
    from runner.control import tenants

    if as_json and as_csv:
        raise UsageProblem("Name one form: either --json or --csv.")
    context = _open(config)
    known = list(tenants.registered(context.store)) if context.store.exists() else []
    if tenant is not None:
        tenants.find(context.store, tenant)
    named = [one for one in known if one == tenant or re.search(rf"\b{one}\W", sql, re.I)]
    named.sort(key=lambda one: one != tenant)
    columns, rows = context.dataset.query(sql, named)
    if as_json and len(set(columns)) < len(columns):
        raise UsageProblem("Two columns have one name: give them names of their own with AS.")
    if as_json:
        click.echo(output.as_json([dict(zip(columns, row, strict=True)) for row in rows]))
    elif as_csv:
        click.echo(output.as_csv(columns, rows), nl=False)
    else:
        click.echo(output.query_result(columns, rows))


@cli.command()
@common
@json_option
@click.option(
    "--tenant", default=None, metavar="ID", help="Only this tenant, and its data tables, too."
)
@click.option("--send-mail", is_flag=True, help="Send a test to ALERT_TO and the tenant's admin.")
def doctor(config: Settings, as_json: bool, tenant: str | None, send_mail: bool) -> None:
    """Look at all that a run needs, and name for each trouble the command that mends it.

    Changes nothing. Exit 0 when nothing failed (warnings are fine), else 1.
    """
    from runner.cli import output
    from runner.doctor import check
    from runner.doctor import examine as doctors

    if tenant is not None:
        names.tenant_id(tenant)
    checks = doctors.examine(config, tenant, send_mail)
    if as_json:
        click.echo(output.as_json(check.document(checks)))
    else:
        click.echo(output.checks(checks))
    if any(one.status == check.FAIL for one in checks):
        sys.exit(1)


def _open(config: Settings, tenant: str | None = None) -> "Context":
    """The warehouse, with what earlier commands left undone done first.

    That is: the spool written; for a tenant, dead runs closed. Its due alerts are sent after the
    command's own work and words: a mail server may keep it waiting.
    """
    from runner.context import open_context
    from runner.control import spool

    context = open_context(config)
    if context.store.exists():
        spool.drain(config, context.store)
    if tenant is not None:
        from runner.control import runs as control_runs
        from runner.control import tenants

        tenants.find(context.store, tenant)
        control_runs.end_dead_leases(context.store, tenant)
        _send_alerts_at_the_end(context, tenant)
    return context


def _send_alerts_at_the_end(context: "Context", tenant: str) -> None:
    from runner.orchestration import alerts

    _ = context.settings.mail
    click.get_current_context().call_on_close(functools.partial(alerts.deliver, context, tenant))


def _estimate(
    context: "Context", tenant: str, template: "Template", dates: "DateRange", as_json: bool
) -> None:
    """Print what a run would read; Refused when a query of it is over the cap."""
    from runner.cli import output
    from runner.orchestration import estimate

    with output.Progress(quiet=False) as progress, context:
        watched = replace(context, on_event=progress.follow)
        told = estimate.of(watched, tenant, template, dates)
    if told.over_the_cap:
        refusal = Refused(
            f"{told.over_the_cap[0].model} would read more than maximum_bytes_billed"
            f" ({told.maximum_bytes_billed:,} bytes): name fewer dates, or raise"
            " BIGQUERY_MAXIMUM_BYTES_BILLED."
        )
        refusal.document = output.estimate_document(told)
        if not as_json:
            click.echo(output.estimate(told))
        raise refusal
    click.echo(output.as_json(output.estimate_document(told)) if as_json else output.estimate(told))


def _tell(
    config: Settings, tenant: str, reports: "Sequence[Report]", parts: int, as_json: bool
) -> None:
    """Say how the runs of a tenant ended, and exit as they did.

    `parts`: how many the range has. RunnerError when dates were left to another run.
    """
    from runner.cli import output

    last = reports[-1] if reports else None
    if last and not last.covered and last.outcome:
        error = RunnerError(last.outcome.error or "")
        error.document = output.report_document(last)
        if parts > 1:
            error.document = output.parts_document(tenant, reports)
        raise error
    if as_json and (parts > 1 or last is None):
        click.echo(output.as_json(output.parts_document(tenant, reports)))
    elif as_json and last:
        click.echo(output.as_json(output.report_document(last)))
    elif not as_json:
        for report in reports:
            click.echo(output.summary(report, _where(config, tenant), config.target_name))
    if last is None:
        _say("Every part was loaded within a day: nothing was left to do.")
        return
    if last.status != "COMPLETED" and parts > 1:
        _say("What completed stays: the same command with --resume goes on from there.")
    if last.interrupted:
        sys.exit(128 + last.interrupted)
    if last.status == "REFUSED":
        sys.exit(Refused.exit_code)
    if last.status in ("FAILED", "CANCELLED"):
        sys.exit(1)


@contextlib.contextmanager
def _stopping_in_order() -> Iterator[None]:
    """Ctrl-C and SIGTERM end a command in order: dbt stopped, its run recorded."""

    def stop(number: int, frame: object) -> None:
        raise Interrupted(number)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(text: str) -> None:
    click.echo(text, err=True)


def _who() -> str:
    import getpass

    try:
        return names.line(getpass.getuser())  # LOGNAME may be anything
    except (KeyError, OSError, UsageProblem):
        return "cli"


def _where(config: settings.Settings, tenant: str) -> str:
    """Where a tenant's tables are, for people."""
    found = config.target({"tenant_id": tenant})
    if found.type == "duckdb":
        return f"{found.fields['path']}, tables {tenant}.*"
    return f"{found.fields['project']}.{tenant}"


# What they did stands, whoever could read of it.
KEEP_THEIR_OUTCOME = ("run", "catch-up", "serve")


def main() -> None:
    """Run the command line; a command whose words were lost on a full disk has failed.

    Not so what runs or serves.
    """
    try:
        _main()
    except SystemExit as end:
        if why := streams.lost_output():
            _say(f"Not all that was to be said could be written to standard output: {why}.")
            if not end.code and not set(KEEP_THEIR_OUTCOME) & set(sys.argv[1:2]):
                sys.exit(1)
        raise


def _main() -> None:
    """Run the command line; our own mistakes go to the log in full and to people in one line.

    Exits 130 and 143 when stopped by Ctrl-C and SIGTERM, whatever the command.
    """
    try:
        with _stopping_in_order():
            cli(prog_name="runner")
    except Interrupted as stop:
        _say(f"Stopped by {signal.Signals(stop.number).name}.")
        sys.exit(128 + stop.number)
    except Exception as error:
        log = logging.getLogger("runner")
        log.exception("internal error")
        files = [h.baseFilename for h in log.handlers if isinstance(h, logging.FileHandler)]
        where = f"the full trace: {files[0]}" if files else "run again with --verbose"
        told = click.ClickException(f"internal error ({type(error).__name__}); {where}")
        told.show()
        _tell_machines(sys.argv, told)
        sys.exit(told.exit_code)
