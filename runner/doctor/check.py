"""One look at one thing, for `runner doctor`: what was found, and the command that mends it."""

import logging
import re
import shlex
from collections.abc import Callable, Set
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from runner.errors import RunnerError, WarehouseUnreachable
from runner.settings import Settings

log = logging.getLogger(__name__)

OK, WARN, FAIL = "ok", "warn", "fail"

# Status, detail and remedy of one look.
Finding = tuple[str, str, str | None]


@dataclass(frozen=True)
class Check:
    """One thing looked at: ok, warn or fail, and the command that mends it."""

    name: str
    status: str
    detail: str
    remedy: str | None = None
    tenant: str | None = None


class Visit:
    """The looks so far, in order."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.checks: list[Check] = []
        # Whether the last look had no answer from the warehouse: nor will the next have one.
        self.is_unanswered = False

    def look(
        self,
        name: str,
        find: Callable[..., Finding],
        *args: object,
        tenant: str | None = None,
        needs: str | None = None,
        remedy: str = "runner doctor --verbose",
    ) -> str:
        """Look, keep what was found and return its status; what breaks the look is a failure.

        `needs` is a look that must have been well; `remedy` is for a look that breaks, unless it
        had no answer.
        """
        self.is_unanswered = False
        if any(check.name == needs and check.status != OK for check in self.checks):
            found: Finding = (WARN, f"not looked at: '{needs}' comes first", None)
        else:
            try:
                found = find(*args)
            except Exception as error:  # whatever it is, the other looks go on
                log.exception("the look at '%s' broke", name)
                told = f"{type(error).__name__}: {error}".strip().splitlines()[0]
                told = error.message if isinstance(error, RunnerError) else told
                self.is_unanswered = isinstance(error, WarehouseUnreachable)
                found = (FAIL, told, _holders(told) if self.is_unanswered else remedy)
        status, detail, command = found
        target = self._settings.target_name
        if command and command.startswith("runner ") and target and "--target" not in command:
            command += f" --target {target}"
        self.checks.append(Check(name, status, detail, command, tenant))
        return status


def document(checks: list[Check]) -> dict[str, Any]:
    """The checks as `doctor --json` prints them."""
    is_well = not any(check.status == FAIL for check in checks)
    return {"ok": is_well, "checks": [check.__dict__ for check in checks]}


def remedy_for(message: str, *pairs: tuple[str, str]) -> str | None:
    """The remedy of the first pattern that is in the message, the pattern's groups filled in."""
    for pattern, remedy in pairs:
        if found := re.search(pattern, message):
            return remedy.format(*found.groups()) if found.groups() else remedy
    return None


def _holders(message: str) -> str | None:
    """Who has the file that a message speaks of; else the message says itself what to do."""
    return remedy_for(message, (r"\(process (\d+)\)", "ps -fp {0}"))


def quoted(path: Path | str) -> str:
    """A path as a shell takes it."""
    return shlex.quote(str(path))


def lacking_columns(
    settings: Settings,
    found: dict[str, set[str]],
    *folders: str,
    besides: Set[str] = frozenset(),
) -> str:
    """What the contracts in these folders of models/ declare and is not there; empty if all is."""
    told = []
    for folder in folders:
        for table, wanted in contracts(settings.project_dir / "models" / folder).items():
            if table in besides:
                continue
            if table not in found:
                told.append(f"{table} is missing")
            elif lacks := wanted - found[table]:
                told.append(f"{table} lacks {', '.join(sorted(lacks))}")
    return "; ".join(told)


@cache
def contracts(folder: Path) -> dict[str, set[str]]:
    """The columns of each model of a folder, as its YAML declares them."""
    import yaml

    return {
        model["name"]: {column["name"].lower() for column in model.get("columns", [])}
        for path in sorted(folder.glob("*.yml"))
        for model in yaml.safe_load(path.read_text(encoding="utf-8")).get("models", [])
    }


def is_local(settings: Settings) -> bool:
    return settings.target({"tenant_id": "none"}).type == "duckdb"


def control_path(settings: Settings) -> Path:
    return Path(str(settings.target({"tenant_id": "none"}).fields.get("path"))).with_name(
        "control.db"
    )


def minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
