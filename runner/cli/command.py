"""What a command is here: common options, a result to print, near matches for a mistyped name."""

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import click

from runner import logs, settings
from runner.errors import UsageProblem
from runner.text import to_json


@dataclass(frozen=True)
class Result:
    """What a command prints: the document with --json, else the text; then notes on stderr."""

    document: Any
    text: str | None
    notes: tuple[str, ...] = ()
    exit_code: int = 0


class Command(click.Command):
    """Calls its function with the settings that the common options make; prints what it returns.

    The function returns a Result, or just a text.
    """

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.params = [*COMMON, *self.params]

    def invoke(self, ctx: click.Context) -> int:
        """Returns the exit code."""
        values = ctx.params
        config = settings.load(values.pop("project_dir"), values.pop("target"))
        config.require_own_folders()
        logs.setup(config, values.pop("verbose"))
        as_json = values.pop("as_json", False)
        values["config"] = config
        returned = super().invoke(ctx)
        result = returned if isinstance(returned, Result) else Result(None, returned)
        text = to_json(result.document) if as_json else result.text
        if text is not None:
            click.echo(text)
        for note in result.notes:
            click.echo(note, err=True)
        return result.exit_code


class Group(click.Group):
    """Answers a mistyped command with the nearest one."""

    command_class = Command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0] if args else ""
        if not name.startswith("-") and name not in (known := self.list_commands(ctx)):
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
)
