"""The commands' base classes: common options, a result to print, hints for a mistyped name."""

import os
import re
import shlex
import shutil
import sys
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import click

from runner import logs, settings
from runner.errors import UsageProblem
from runner.text import to_json

# The module of each command, imported when the command is named; and its line in `runner --help`.
COMMANDS = {
    "init": ("service", "Create a project, and locally a sample export and a tenant."),
    "tenant": ("tenants", "Add, show, change and remove tenants, their keys and accounts."),
    "run": ("run", "Load, test and reconcile bills for one date or a range."),
    "catch-up": ("run", "Run the dates that changed, are missing or failed; schedule this one."),
    "status": ("history", "Show one run, its steps, and which runs published its dates."),
    "runs": ("history", "List a tenant's runs, newest first."),
    "cancel": ("history", "Stop an active run."),
    "quota": ("history", "Show what a tenant has used of its limits."),
    "query": ("history", "Run one SELECT over bills, runs and quotas."),
    "doctor": ("service", "Check everything that a run needs, and print remedies."),
    "serve": ("service", "Serve the REST API, its page and its metrics."),
    "admin-key": ("keys", "Create the REST service's key for all tenants."),
}
_NAMED = re.compile(rf"(?<![\w/.-])runner (?=(?:{'|'.join(COMMANDS)}|--help)\b)")


def as_typed(text: str) -> str:
    """The text, with `runner` in its commands as the caller typed it.

    That is `runner` on PATH; after `make run`, which does not change PATH, `.venv/bin/runner`.
    """
    typed, on_path = sys.argv[0], shutil.which("runner")
    if os.path.basename(typed) != "runner" or (on_path and os.path.samefile(typed, on_path)):
        return text
    return _NAMED.sub(lambda found: f"{shlex.quote(typed)} ", text)


@dataclass(frozen=True)
class Result:
    """What a command prints: the document with --json, else the text; and notes on stderr.

    `document` may be a function, which is called only with --json.
    """

    document: Any
    text: str | None
    notes: tuple[str, ...] = ()
    exit_code: int = 0


class Command(click.Command):
    """Calls its function with the settings of the common options, and prints what it returns.

    The function returns a Result or a text.
    """

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        own = {option for one in self.params for option in one.opts}
        self.params = [*(one for one in COMMON if not own & {*one.opts}), *self.params]

    def invoke(self, ctx: click.Context) -> int:
        """Returns the exit code."""
        values = ctx.params
        config = settings.load(values.pop("project_dir"), values.pop("target"))
        config.require_own_folders()
        logs.setup(config, values.pop("verbose"))
        as_json = values.pop("as_json", False)
        values["config"] = config
        returned = super().invoke(ctx)
        is_result = isinstance(returned, Result)
        result = returned if is_result else Result({"message": returned}, returned)
        document, text = result.document, result.text
        if as_json:
            text = to_json(document() if callable(document) else document)
        if text is not None:
            # The result of a query is the warehouse's text and must not be changed.
            click.echo(text if as_json or ctx.info_name == "query" else as_typed(text))
        for note in result.notes:
            click.echo(as_typed(note), err=True)
        return result.exit_code


class Group(click.Group):
    """A group that suggests the nearest name for a mistyped command."""

    command_class = Command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0] if args else ""
        known = self.list_commands(ctx)
        # A shell's completion (resilient_parsing) passes over a mistyped command.
        if not (name.startswith("-") or ctx.resilient_parsing or name in known):
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean '{near[0]}'?" if near else "see `runner --help`."
            raise UsageProblem(f"There is no command '{name}': {hint}")
        return super().resolve_command(ctx, args)


COMMON = (
    click.Option(
        ["--project-dir"],
        metavar="DIR",
        envvar="RUNNER_PROJECT_DIR",
        help="The dbt project's folder.",
    ),
    click.Option(["--target"], metavar="NAME", help="Target in profiles.yml (default: its own)."),
    click.Option(["--verbose"], is_flag=True, help="Show the log, tracebacks included, on stderr."),
    click.Option(
        ["--json", "as_json"], is_flag=True, help="One JSON document on stdout, progress on stderr."
    ),
)
