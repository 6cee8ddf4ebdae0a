"""The errors that end a command: one sentence for people, and the exit code."""

from collections.abc import Mapping

import click


class RunnerError(click.ClickException):
    """One sentence: what is wrong, where, and what to do. Exit 1: the run failed.

    `document`: fields that --json adds to the sentence and the exit code. `text`: printed before
    the sentence without --json.
    """

    exit_code = 1
    document: Mapping[str, object] | None = None
    text: str = ""


class Interrupted(BaseException):
    """SIGINT or SIGTERM, by its number: raised at any point of a command."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class UsageProblem(RunnerError):
    """The call or the configuration is wrong; nothing was started. Exit 2."""

    exit_code = 2


class UnknownTenant(UsageProblem):
    """No tenant has that id, or the id is not valid. Exit 2."""


class NotInitialised(UsageProblem):
    """The warehouse, or a tenant's part of it, does not exist. Exit 2."""


class Refused(RunnerError):
    """The tenant's quota, status or subscription does not allow the run. Exit 3.

    `run`: the REFUSED run, a control.runs.Run, if one was recorded.
    """

    exit_code = 3

    def __init__(self, message: str, run: object = None) -> None:
        super().__init__(message)
        self.run = run


class WarehouseProblem(RunnerError):
    """The warehouse failed or refused. Exit 1, unless a subclass has another code."""


class StatementRefused(WarehouseProblem):
    """The engine refused a statement, such as for a table or column that is missing. Exit 1."""


class WarehouseUnreachable(WarehouseProblem):
    """The warehouse could not be opened or did not answer. Exit 4."""

    exit_code = 4


class AccountRefused(WarehouseUnreachable):
    """The process cannot act as a service account: a tenant's, or its own. Exit 4."""
