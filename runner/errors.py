"""The errors that end a command: a sentence for people and the exit code that goes with it."""

from collections.abc import Mapping

import click


class RunnerError(click.ClickException):
    """One sentence: what is wrong, where, and what to do. Exit 1: the run failed.

    `document`: what --json prints beside the sentence and the exit code; `text`: what is printed
    before the sentence without it.
    """

    exit_code = 1
    document: Mapping[str, object] | None = None
    text: str = ""


class Interrupted(BaseException):
    """SIGINT or SIGTERM, by its number: raised wherever the command is."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class UsageProblem(RunnerError):
    """The call or the configuration is wrong; nothing was started. Exit 2."""

    exit_code = 2


class UnknownTenant(UsageProblem):
    """No tenant has that id, or the id is not valid. Exit 2."""


class NotInitialised(UsageProblem):
    """The warehouse, or a tenant's part of it, was never made. Exit 2."""


class Refused(RunnerError):
    """The tenant's quota or standing does not allow the run. Exit 3.

    `run`: the row that was left behind, if one was, as a claim.Run.
    """

    exit_code = 3

    def __init__(self, message: str, run: object = None) -> None:
        super().__init__(message)
        self.run = run


class WarehouseProblem(RunnerError):
    """The warehouse did not do what it was asked. Exit 1, or that of its kind."""


class StatementRefused(WarehouseProblem):
    """The engine refused a statement, such as for a table or column that is missing. Exit 1."""


class WarehouseUnreachable(WarehouseProblem):
    """The warehouse could not be opened or did not answer. Exit 4."""

    exit_code = 4


class AccountRefused(WarehouseUnreachable):
    """The process cannot act as a service account: a tenant's, or its own. Exit 4."""
