"""The installation: `init`, `doctor` and `serve`."""

import click
from click import IntRange

from runner.cli import lists, options
from runner.cli.command import Result
from runner.cli.options import flag, value
from runner.doctor import check, examine
from runner.errors import UsageProblem
from runner.onboarding import demo
from runner.settings import Settings


@options.command()
@value(
    "--sample-rows",
    "N",
    "Approximate number of rows of the sample export (default 750,000).",
    type=IntRange(1),
)
def init(config: Settings, sample_rows: int | None) -> str:
    """Create profiles.yml, and on the local target a sample export and the tenant acme1281.

    It can be repeated: existing files are not changed.
    """
    profile = demo.make_profile(config)
    return "\n".join(
        [profile, *demo.prepare(options.opened(config, drains_spool=False), sample_rows)]
    )


@options.command()
@options.as_json
@options.tenant("Check only this tenant, including its data tables.", required=False)
@flag("--send-mail", "Send a test mail to ALERT_TO and the tenant's admin.")
def doctor(config: Settings, tenant: str | None, send_mail: bool) -> Result:
    """Check everything that a run needs, and print the command that fixes each problem.

    Changes nothing. Exits with 1 when a check failed, else with 0, also after warnings.
    """
    checks = examine.examine(config, tenant, send_mail)
    has_failed = any(one.status == check.FAIL for one in checks)
    return Result(check.document(checks), lists.checks(checks), exit_code=int(has_failed))


@options.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@value("--port", "N", "Port.", type=IntRange(0, 65535), default=8080, show_default=True)
@value("--workers", "N", "Runs at once (default: one for each core).", type=IntRange(1, 64))
@value(
    "--grace",
    "S",
    "Seconds that active runs have to end when the service stops; then they are requeued.",
    type=IntRange(0),
    default=60,
    show_default=True,
)
def serve(config: Settings, host: str, port: int, workers: int | None, grace: int) -> None:
    """Serve the REST API, its page at / and its metrics at /metrics, until stopped."""
    try:
        from runner.api import server
    except ImportError as missing:
        raise UsageProblem(
            f"`runner serve` needs the package {missing.name}: run `make run`, which installs it."
        ) from None
    server.serve(config, host, port, workers or options.cores(), grace, options.echo)
