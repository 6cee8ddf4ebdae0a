"""Checks, their results, and the runner that runs them in order."""

import logging
import re
import shlex
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from runner.context import Context
from runner.control import tenants
from runner.control.store import Store
from runner.dataset.dataset import Dataset
from runner.errors import RunnerError, UsageProblem, WarehouseUnreachable
from runner.settings import Settings, Target

log = logging.getLogger(__name__)

OK, WARN, FAIL = "ok", "warn", "fail"
# A need that is not a check: the warehouse has answered all checks so far.
ANSWER = "an answer"


@dataclass(frozen=True)
class Scope:
    """What a check works with. `tenant`: the one to check; empty: all.

    `opened`: returns the stores, opened once. `is_named`: whether the command names the tenant.
    `scratch`: an empty folder.
    """

    settings: Settings
    opened: Callable[[], Context]
    tenant: str = ""
    is_named: bool = False
    scratch: str = ""

    @property
    def store(self) -> Store:
        return self.opened().store

    @property
    def dataset(self) -> Dataset:
        return self.opened().dataset

    @property
    def target(self) -> Target:
        """Raises UsageProblem where profiles.yml cannot be used."""
        return self.settings.target({"tenant_id": "none"})

    @cached_property
    def engine(self) -> str:
        """`duckdb` or `bigquery`; empty where profiles.yml cannot be used."""
        try:
            return self.target.type
        except UsageProblem:
            return ""

    @property
    def control_path(self) -> Path:
        """The file with the local control tables."""
        return Path(str(self.target.fields.get("path"))).with_name("control.db")

    @cached_property
    def exports(self) -> list[tenants.Export]:
        return tenants.exports(self.store, self.tenant)

    @property
    def add(self) -> str:
        """The command that adds the tenant."""
        return f"runner tenant add {self.tenant or 'ID'} --admin-email E --export REF"


@dataclass(frozen=True)
class CheckResult:
    """The result of a check and the command that fixes it. CheckRunner adds name and tenant."""

    status: str
    detail: str
    remedy: str | None = None
    name: str = ""
    tenant: str | None = None


ok, warn, fail = partial(CheckResult, OK), partial(CheckResult, WARN), partial(CheckResult, FAIL)


@dataclass(frozen=True)
class Check:
    """The declaration of a check.

    `needs`: checks that must not have failed, or ANSWER. `when`: whether it applies. `remedy`: for
    a failure without its own remedy, such as an exception; `{}` is the tenant.
    """

    name: str
    function: Callable[[Scope], CheckResult]
    needs: tuple[str, ...] = ()
    when: Callable[[Scope], bool] = lambda scope: True
    remedy: str = "runner doctor --verbose"


class CheckRunner:
    """Runs checks in order, and records which of them failed or were skipped."""

    def __init__(self, tenant: str | None = None) -> None:
        """`tenant`: the tenant of all checks, None for checks of no single tenant."""
        self._tenant = tenant
        self.unmet: set[str] = set()

    def run(self, checks: Iterable[Check], scope: Scope) -> list[CheckResult]:
        """The results of the checks that apply.

        A check whose need failed is skipped: with a warning, or among a tenant's checks silently.
        """
        results = []
        for check in checks:
            unmet = next((need for need in check.needs if need in self.unmet), None)
            if unmet:
                self.unmet.add(check.name)
            if (unmet and self._tenant) or not check.when(scope):
                continue
            result = warn(f"skipped: fix '{unmet}' first") if unmet else self._run(check, scope)
            if result.status == FAIL:
                self.unmet.add(check.name)
            remedy, target = result.remedy or "", scope.settings.target_name
            if target and remedy.startswith("runner ") and "--target" not in remedy:
                command, mark, note = remedy.partition("  # ")
                both = f"{command} && ".replace(" && ", f" --target {target} && ")
                remedy = both.removesuffix(" && ") + mark + note
            results.append(
                replace(result, remedy=remedy or None, name=check.name, tenant=self._tenant)
            )
        return results

    def _run(self, check: Check, scope: Scope) -> CheckResult:
        remedy = check.remedy.format(scope.tenant or "ID")
        try:
            result = check.function(scope)
            has_remedy = result.remedy or result.status != FAIL
            return result if has_remedy else replace(result, remedy=remedy)
        except Exception as error:  # any error: the other checks continue
            log.exception("the check '%s' raised an exception", check.name)
            text = f"{type(error).__name__}: {error}".strip().splitlines()[0]
            detail = error.message if isinstance(error, RunnerError) else text
            if isinstance(error, WarehouseUnreachable):
                self.unmet.add(ANSWER)
                # Other messages have their remedy in their text.
                return fail(detail, remedy_for(detail, (r"\(process (\d+)\)", "ps -fp {0}")))
            return fail(detail, remedy)


def document(results: list[CheckResult]) -> dict[str, Any]:
    """The results as `doctor --json` prints them."""
    return {
        "ok": all(result.status != FAIL for result in results),
        "checks": [{"name": result.name, **asdict(result)} for result in results],
    }


def remedy_for(message: str, *pairs: tuple[str, str]) -> str | None:
    """The remedy of the first pattern that matches the message, filled with its groups."""
    for pattern, remedy in pairs:
        if found := re.search(pattern, message):
            return remedy.format(*found.groups()) if found.groups() else remedy
    return None


def quoted(path: Path | str) -> str:
    """A path quoted for a shell."""
    return shlex.quote(str(path))


def minute(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC"
