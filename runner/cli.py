"""The command line: parse, call, say, exit."""

import logging
import logging.handlers
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any, TypeVar

import click

from runner import __version__, settings, slugs
from runner.errors import UsageProblem

Command = TypeVar("Command", bound=Callable[..., Any])


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


def common(command: Command) -> Command:
    """The options that every command takes."""
    command = click.option(
        "--target", metavar="NAME", help="Target in profiles.yml (default: its own default)."
    )(command)
    return click.option(
        "--project-dir",
        metavar="DIR",
        envvar="RUNNER_PROJECT_DIR",
        help="Folder of the dbt project.",
    )(command)


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


def _exports(
    config: settings.Settings,
    refs: tuple[str, ...],
    accounts: tuple[str, ...],
    projects: tuple[str, ...],
    unallocated: bool,
) -> list[Any]:
    """The named exports, validated for the target's engine."""
    from runner import tenants

    local = config.target({"tenant_id": "none"}).type == "duckdb"
    for ref in refs:
        if not local and not slugs.TABLE.fullmatch(ref):
            raise UsageProblem(f"'{ref}' is no BigQuery table: write project.dataset.table.")
    return [
        tenants.Export(
            tenants.local_export(ref) if local else ref,
            tuple(slugs.billing_account(account) for account in accounts),
            tuple(slugs.project(project) for project in projects),
            not projects or unallocated,
        )
        for ref in dict.fromkeys(refs)
    ]


@click.group(cls=NearMatches, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="runner")
def cli() -> None:
    """What each tenant spends on Google Cloud: run, record and watch the dbt project.

    Exit codes: 0 done, 1 the run failed, 2 usage or configuration, 3 refused by quota,
    4 the warehouse could not be reached.
    """


@cli.command()
@common
@click.option(
    "--sample-rows",
    type=click.IntRange(min=1),
    default=None,
    help="About how many rows the sample export has (default: see dbt_project/sample).",
)
def init(project_dir: str | None, target: str | None, sample_rows: int | None) -> None:
    """Make profiles.yml, and on the local target a sample export and the tenant acme1281.

    What is there is left as it is: run it as often as you like.
    """
    from runner import demo

    config = settings.load(project_dir, target)
    _log_to(config)
    for line in demo.prepare(config, sample_rows, lambda text: click.echo(text, err=True)):
        click.echo(line)


@cli.group(cls=NearMatches)
def tenant() -> None:
    """Add and look at tenants."""


@tenant.command("add")
@common
@click.argument("tenant_id", metavar="ID")
@click.option("--admin-email", required=True, metavar="E", help="Where the tenant's alerts go.")
@click.option("--company", default="", metavar="N", help="Name of the company.")
@click.option(
    "--plan",
    type=click.Choice(["starter", "professional", "scale"]),
    default="starter",
    show_default=True,
    help="Limits: 6, 25 or 100 runs a day; 3, 5 or 10 at once.",
)
@click.option(
    "--export",
    "refs",
    required=True,
    multiple=True,
    metavar="REF",
    help="BigQuery table project.dataset.table, or locally a Parquet, NDJSON or CSV path or glob.",
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
    "--with-unallocated",
    is_flag=True,
    help="With --project: charges without a project (tax, support) are the tenant's, too.",
)
def tenant_add(
    project_dir: str | None,
    target: str | None,
    tenant_id: str,
    admin_email: str,
    company: str,
    plan: str,
    refs: tuple[str, ...],
    accounts: tuple[str, ...],
    projects: tuple[str, ...],
    with_unallocated: bool,
) -> None:
    """Add a tenant, or bring one up to date. Safe to run again."""
    from runner import tenants
    from runner.warehouse import open_warehouse

    slugs.tenant_id(tenant_id)
    slugs.email(admin_email)
    config = settings.load(project_dir, target)
    _log_to(config)
    named = _exports(config, refs, accounts, projects, with_unallocated)
    tenants.add(
        config,
        open_warehouse(config),
        tenant_id,
        admin_email,
        company,
        tenants.PLANS[plan],
        named,
        lambda text: click.echo(text, err=True),
    )
    click.echo(
        f"Tenant {tenant_id} is ready. Next: runner run --tenant {tenant_id} --date YYYY-MM-DD"
    )
    if projects and not with_unallocated:
        click.echo(
            "Charges without a project (tax, support, rounding) are not in its bill:"
            " add --with-unallocated if they are this tenant's."
        )


@tenant.command("list")
@common
@json_option
def tenant_list(project_dir: str | None, target: str | None, as_json: bool) -> None:
    """List the tenants."""
    from runner import show, tenants
    from runner.warehouse import open_warehouse

    found = tenants.every(open_warehouse(settings.load(project_dir, target)))
    if as_json:
        click.echo(show.as_json([one.__dict__ for one in found]))
    elif not found:
        click.echo(
            "No tenants yet. Add one with: runner tenant add ID --admin-email E --export REF"
        )
    else:
        rows = [("tenant", "status", "plan", "admin", "company")]
        rows += [(t.id, t.status, t.plan, t.admin_email, t.company_name) for t in found]
        click.echo("\n".join(show.columns(rows)))


@tenant.command("show")
@common
@json_option
@click.argument("tenant_id", metavar="ID")
def tenant_show(project_dir: str | None, target: str | None, as_json: bool, tenant_id: str) -> None:
    """Show one tenant: profile, limits and exports."""
    from runner import show, tenants
    from runner.warehouse import open_warehouse

    warehouse = open_warehouse(settings.load(project_dir, target))
    one = tenants.find(warehouse, tenant_id)
    named = tenants.exports(warehouse, tenant_id)
    if as_json:
        click.echo(show.as_json({**one.__dict__, "exports": [e.__dict__ for e in named]}))
        return
    rows = [
        (key.replace("_", " "), "" if value is None else str(value))
        for key, value in one.__dict__.items()
    ]
    for export in named:
        rows.append(("export", export.ref))
        rows.append(("  accounts", ", ".join(export.billing_accounts) or "all"))
        rows.append(("  projects", ", ".join(export.projects) or "all"))
        rows.append(("  unallocated", "included" if export.has_unallocated else "left out"))
    click.echo("\n".join(show.columns(rows)))


@cli.command()
@common
@json_option
@tenant_option
@click.option("--date", "day", metavar="D", help="Usage date (UTC), YYYY-MM-DD.")
@click.option("--from", "first", metavar="A", help="First usage date, with --to.")
@click.option("--to", "last", metavar="B", help="Last usage date, included.")
@click.option(
    "--pipeline",
    default="gcp/cost/cost_billing",
    show_default=True,
    metavar="P",
    help="Template to run.",
)
@click.option("--trigger-by", default=None, metavar="W", help="Who or what asks (default: you).")
def run(
    project_dir: str | None,
    target: str | None,
    as_json: bool,
    tenant: str,
    day: str | None,
    first: str | None,
    last: str | None,
    pipeline: str,
    trigger_by: str | None,
) -> None:
    """Extract, build, test and reconcile a tenant's bill for one usage date or a range."""
    slugs.tenant_id(tenant)
    if (day is None) == (first is None and last is None) or (first is None) != (last is None):
        raise UsageProblem("Name the dates: either --date D, or --from A and --to B.")
    from_date, to_date = slugs.usage_date(day or first or ""), slugs.usage_date(day or last or "")
    if from_date > to_date:
        raise UsageProblem(f"--from {from_date} is after --to {to_date}: swap them.")

    from runner import notify, pipelines, show
    from runner import run as one_run
    from runner.warehouse import open_warehouse

    config = settings.load(project_dir, target)
    _log_to(config)
    template = pipelines.load(pipeline)
    warehouse = open_warehouse(config)
    mailbox = notify.SmtpMailbox(config.mail)
    request = one_run.request_for(
        warehouse, tenant, template, from_date, to_date, "manual", trigger_by or _who()
    )
    with show.Progress(quiet=False) as progress:
        report = one_run.run_slice(config, warehouse, mailbox, request, template, progress.follow)
    if as_json:
        click.echo(show.as_json(show.report_document(report)))
    else:
        click.echo(show.summary(report, _where(config, tenant)))
    if report.status == "FAILED":
        sys.exit(1)


@cli.command()
@common
@json_option
@tenant_option
@click.argument("run_id")
def status(
    project_dir: str | None, target: str | None, as_json: bool, tenant: str, run_id: str
) -> None:
    """Show one run and its steps."""
    from runner import claim, control_sql, record, show, tenants
    from runner.warehouse import open_warehouse

    warehouse = open_warehouse(settings.load(project_dir, target))
    tenants.find(warehouse, tenant)
    rows = warehouse.read(control_sql.RUN.format(tenant=tenant), run_id=run_id)
    if not rows:
        raise UsageProblem(
            f"Tenant {tenant} has no run '{run_id}': see `runner runs --tenant {tenant}`."
        )
    steps = record.steps_of(warehouse, tenant, run_id)
    if as_json:
        click.echo(show.as_json({**rows[0], "steps": steps}))
    else:
        click.echo(show.run_with_steps(claim.as_run(rows[0]), steps))


@cli.command()
@common
@json_option
@tenant_option
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="How many, newest first.",
)
@click.option(
    "--status",
    "run_status",
    default="",
    metavar="S",
    help="Only PENDING, RUNNING, COMPLETED, FAILED, CANCELLED or REFUSED runs.",
)
def runs(
    project_dir: str | None,
    target: str | None,
    as_json: bool,
    tenant: str,
    limit: int,
    run_status: str,
) -> None:
    """List a tenant's runs, newest first."""
    from runner import claim, control_sql, show, tenants
    from runner.warehouse import open_warehouse

    known = ("PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED", "REFUSED")
    if run_status and run_status.upper() not in known:
        raise UsageProblem(f"'{run_status}' is no status: use one of {', '.join(known)}.")
    warehouse = open_warehouse(settings.load(project_dir, target))
    tenants.find(warehouse, tenant)
    rows = warehouse.read(control_sql.RUNS.format(tenant=tenant), status=run_status.upper())[:limit]
    if as_json:
        click.echo(show.as_json(rows))
    else:
        click.echo(show.run_list([claim.as_run(row) for row in rows]))


@cli.command()
@common
@json_option
@tenant_option
def quota(project_dir: str | None, target: str | None, as_json: bool, tenant: str) -> None:
    """Show what a tenant has used of its limits, what is left and when it resets."""
    from runner import quota as quotas
    from runner import show
    from runner.warehouse import open_warehouse

    told = quotas.of(open_warehouse(settings.load(project_dir, target)), tenant)
    click.echo(show.as_json(told.document()) if as_json else show.quota(told))


def _log_to(config: settings.Settings) -> None:
    """Our own log: every command's warnings and full tracebacks, rotated."""
    try:
        config.log_dir.mkdir(parents=True, exist_ok=True)
        handler = logging.handlers.RotatingFileHandler(
            config.log_dir / "runner.log", maxBytes=5_000_000, backupCount=3, encoding="utf-8"
        )
    except OSError as error:
        raise UsageProblem(
            f"The log folder {config.log_dir} cannot be written ({error.strerror}):"
            " mend its permissions, or name another with RUNNER_LOG_DIR."
        ) from None
    handler.setFormatter(
        logging.Formatter("%(asctime)s %(process)d %(levelname)s %(name)s %(message)s")
    )
    logging.getLogger("runner").addHandler(handler)
    logging.getLogger("runner").setLevel(logging.INFO)


def _who() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "cli"


def _where(config: settings.Settings, tenant: str) -> str:
    """Where a tenant's tables are, for people."""
    found = config.target({"tenant_id": tenant})
    if found.type == "duckdb":
        return f"{found.fields['path']}, tables {tenant}.*"
    return f"{found.fields['project']}.{tenant}"


def main() -> None:
    """Run the command line; our own mistakes go to the log in full and to people in one line."""
    try:
        cli(prog_name="runner")
    except Exception as error:
        log = logging.getLogger("runner")
        log.exception("internal error at %s", datetime.now(UTC).isoformat())
        files = [h.baseFilename for h in log.handlers if isinstance(h, logging.FileHandler)]
        where = files[0] if files else "no log was open: run again with RUNNER_LOG_DIR set"
        click.echo(
            f"Error: internal error ({type(error).__name__}); the full trace: {where}", err=True
        )
        sys.exit(1)
