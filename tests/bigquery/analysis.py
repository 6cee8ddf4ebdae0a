"""Ask the analyzer whether BigQuery would accept statements, from the project's environment."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from emulator import SchemaChange, Statement

ANALYZER = Path(__file__).with_name("analyzer.py")


class AnalyzerFailed(RuntimeError):
    """The analyzer itself broke; the message is what it wrote to stderr."""


@dataclass(frozen=True)
class Verdict:
    """Whether BigQuery would take one statement, and the tables it reads and writes.

    `statements` are those of a script, each alone; SET as the INSERT that it is checked as.
    `zoned`: what means another time or date where the project's default time zone is another.
    """

    sql: str
    ok: bool
    error: str | None
    kind: str | None
    exemption: str | None
    tables: frozenset[str]
    written: frozenset[str]
    statements: tuple[str, ...]
    zoned: frozenset[str]


def analyze(
    venv: Path,
    history: Iterable[Statement | SchemaChange],
    tables: Mapping[str, Path] | None = None,
    ingestion_tables: Mapping[str, Path] | None = None,
) -> list[Verdict]:
    """Judge statements in their order of execution, e.g. Emulator.history(): a verdict for each.

    `tables` and `ingestion_tables` give schema JSON files by `project.dataset.name`, for tables
    that the history does not create. Raises AnalyzerFailed.
    """
    events = list(history)
    command = [str(venv / "bin" / "python"), str(ANALYZER)]
    for option, given in (("--table", tables), ("--ingestion-table", ingestion_tables)):
        for name, schema in (given or {}).items():
            command += [option, f"{name}={schema}"]
    lines = "".join(event.as_json() + "\n" for event in events)
    done = subprocess.run(command, input=lines, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AnalyzerFailed(done.stderr)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    statements = [event for event in events if isinstance(event, Statement)]
    return [
        Verdict(
            sql=statement.sql,
            ok=answer["ok"],
            error=answer["error"],
            kind=answer["kind"],
            exemption=answer["exemption"],
            tables=frozenset(answer["tables"]),
            written=frozenset(answer["written"]),
            statements=tuple(answer["statements"]),
            zoned=frozenset(answer["zoned"]),
        )
        for statement, answer in zip(statements, answers, strict=True)
    ]
