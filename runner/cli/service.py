"""The installation: `init`, `doctor` and `serve`."""

import shlex
from pathlib import Path

import click
from click import IntRange

from runner import settings
from runner.cli import lists, options
from runner.cli.command import Command, Result
from runner.cli.options import flag, value
from runner.doctor import check, examine
from runner.errors import UsageProblem
from runner.onboarding import demo, project
from runner.settings import Settings
from runner.text import to_json


class _Init(Command):
    """Creates the project before its settings are read."""

    def invoke(self, ctx: click.Context) -> int:
        values = ctx.params
        found = values["folder"] or settings.load(values["project_dir"], None).project_dir
        values["project_dir"] = folder = Path(found).absolute()
        values["lines"] = project.sync(folder, values.pop("upgrade"))
        return super().invoke(ctx)


@options.command(cls=_Init)
@click.argument("folder", metavar="[DIR]", required=False)
@flag("--upgrade", "Upgrade DIR's files to this version, except those that you changed.")
@value("--sample-rows", "N", "About N rows in the sample (default 750,000).", type=IntRange(1))
def init(config: Settings, folder: str | None, sample_rows: int | None, lines: list[str]) -> Result:
    """Create a project in DIR, and on the local target a sample export and the tenant acme1281.

    Within a project, DIR can be omitted. The command can be repeated: existing files are not
    changed. For a project of another version, it lists what --upgrade would change.
    """
    lines.append(demo.make_profile(config))
    lines += demo.prepare(options.opened(config, drains_spool=False), sample_rows)
    if folder and config.project_dir != Path.cwd():
        lines[-1] += f" --project-dir {shlex.quote(folder)}"
    document = {"project_dir": config.project_dir, "profile": config.profiles_path, "lines": lines}
    return Result(document, "\n".join(lines))


@options.command()
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
@flag("--json is_json", "The service's URL as a JSON document, once it listens.")
def serve(
    config: Settings, host: str, port: int, workers: int | None, grace: int, is_json: bool
) -> None:
    """Serve the REST API, its page at / and its metrics at /metrics, until stopped."""
    try:
        from runner.api import server
    except ImportError as missing:
        what = f"`runner serve` needs the package {missing.name}"
        raise UsageProblem(f"{what}: install it; in a checkout, run `make run`.") from None

    def on_ready(url: str) -> None:
        if is_json:
            click.echo(to_json({"url": url}))
        options.echo(f"Serving on {url}; stop with Ctrl-C.")

    server.serve(config, host, port, workers or options.cores(), grace, on_ready)
