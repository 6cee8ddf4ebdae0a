"""The command line: its commands, and how their errors end the process."""

import importlib
import logging
import signal
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from runner import __version__, logs, names, signals, streams
from runner.cli.command import COMMANDS, Group, as_typed
from runner.errors import Interrupted, RunnerError, UsageProblem
from runner.text import to_json

# What is scheduled: it logs as JSON without a terminal, and lost output does not change its exit
# code, because its work is done.
JOBS = ("run", "catch-up", "serve")


class CommandLine(Group):
    """All commands. An error is one sentence on stderr; with --json also a document on stdout."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"runner.cli.{COMMANDS[cmd_name][0]}")
        command = getattr(module, cmd_name.replace("-", "_"))
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])

    def main(self, *args: Any, **named: Any) -> NoReturn:
        """Run one command, and exit with its exit code."""
        words = list(sys.argv[1:] if named.get("args") is None else named["args"])
        try:
            for word in words:
                # SQL may have several lines.
                names.line(" ".join(word.split()) if "query" in words[:1] else word)
            sys.exit(super().main(*args, **{**named, "standalone_mode": False}) or 0)
        except click.Abort:
            # From a prompt at the end of its input; Ctrl-C raises Interrupted, see main().
            error: click.ClickException = UsageProblem("Aborted: no input was given.")
        except click.ClickException as problem:
            error = problem
        _print_error(error, words)
        sys.exit(error.exit_code)


@click.group(cls=CommandLine, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="runner")
def cli() -> None:
    """Load, test and report what each tenant spends on Google Cloud, with dbt.

    Exit codes: 0 done, 1 the run failed, 2 usage or configuration, 3 refused by quota,
    4 the warehouse could not be reached, 130 and 143 stopped by Ctrl-C and SIGTERM.
    """


def main() -> None:
    """Run the command line; a command whose output was lost, such as on a full disk, fails.

    Except JOBS.
    """
    is_job = bool(set(JOBS) & set(sys.argv[1:2]))
    try:
        with logs.console(is_job):
            _main()
    except SystemExit as end:
        if why := streams.lost_output():
            click.echo(f"Some output could not be written to standard output: {why}.", err=True)
            if not end.code and not is_job:
                sys.exit(1)
        raise


def _main() -> None:
    """Run the command line; the trace of an internal error is logged, and one line is printed.

    Exits 130 after Ctrl-C and 143 after SIGTERM.
    """
    try:
        with signals.handled(signals.interrupt):
            cli(prog_name="runner")
    except Interrupted as stop:
        click.echo(f"Stopped by {signal.Signals(stop.number).name}.", err=True)
        sys.exit(128 + stop.number)
    except Exception as error:
        log = logging.getLogger("runner")
        if log.handlers or "--verbose" in sys.argv:  # without a handler, it would be printed
            log.exception("internal error")
        files = [h.baseFilename for h in log.handlers if isinstance(h, logging.FileHandler)]
        where = f"the full trace: {files[0]}" if files else "run again with --verbose"
        problem = click.ClickException(f"internal error ({type(error).__name__}); {where}")
        _print_error(problem, sys.argv)
        sys.exit(problem.exit_code)


def _print_error(error: click.ClickException, words: Sequence[str]) -> None:
    """Print an error on stderr, after its text if it has one; with --json also a document."""
    text = getattr(error, "text", "")
    if text and "--json" not in words:
        click.echo(text)
    if isinstance(error, RunnerError):
        click.echo(f"Error: {as_typed(error.message)}", err=True)
    else:
        error.show()
    if "--json" in words:
        document = getattr(error, "document", None) or {}
        problem = {"error": error.format_message(), "exit_code": error.exit_code}
        click.echo(to_json({**document, **problem}))
