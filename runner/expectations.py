"""Failed expectations, as sentences."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_IN_MESSAGE = re.compile(r"<failures>(.*)</failures>", re.DOTALL)
# Where DuckDB's message quotes a file's line or a value; a CSV line's file follows it.
_QUOTED = re.compile(
    r"\s*(?:\bOriginal Line:|\bExpected \w+, but got |\bInput: \"|\bCould not parse string )"
    r"|(?<=\bConversion Error:)(?! CSV Error)|(?<=: )Object (?=\{)"
)
_FILE = re.compile(r"\n *file = (.*)\n")
# A sample may be a row with long labels, which would make the message unreadable.
LONGEST_SAMPLE = 500


@dataclass(frozen=True)
class FailedExpectation:
    """An expectation that failed or warned.

    `node`: dbt's id of its model or test. `status`: fail, warn, or error if it could not be
    checked. `rows`: the number of failing rows, None if unknown. `samples`: up to five of them,
    each as JSON text.
    """

    node: str
    table: str
    expectation: str
    status: str
    rows: int | None = None
    description: str = ""
    samples: tuple[str, ...] = ()
    message: str | None = None

    @property
    def sentence(self) -> str:
        """`grain failed for 2 rows (one row per charge), for example {"sku_id": "a"}`."""
        if self.status == "error":
            return f"{self.expectation} could not be checked: {self.message or 'see dbt.log'}"
        is_warning = self.status == "warn"
        text = f"{self.expectation} {'warned' if is_warning else 'failed'}"
        if self.rows is not None:
            rows = f"{self.rows:,} row{'s' if self.rows != 1 else ''}"
            text = f"{self.expectation} {'found' if is_warning else 'failed for'} {rows}"
        if self.description:
            text += f" ({self.description.strip().rstrip('.')})"
        if self.samples:
            text += f", for example {_cut(self.samples[0])}"
        return text


def of_rows(rows: Iterable[Mapping[str, Any]]) -> list[FailedExpectation]:
    """What failed or warned, from the run's rows of x_meta_dq_results."""
    return [
        _failed(one, one.get("node") or "", row["target_table"] or "", one.get("status"))
        for row in rows
        for one in parsed(row["failed_expectations"]) or ()
        if one.get("status") != "skipped"
    ]


def of_message(node: str, table: str, message: str | None) -> list[FailedExpectation]:
    """What failed, from the message of a model that was not published; empty if it has none."""
    found = _IN_MESSAGE.search(message or "")
    try:
        entries = json.loads(found.group(1)) if found else []
        return [_failed(one, node, table, "fail") for one in entries]
    except (ValueError, AttributeError):  # cut off, or no list of objects
        return []


def without_failures(message: str | None) -> str | None:
    """The message without its machine-readable part."""
    return message and _IN_MESSAGE.sub("", message).strip()


def without_rows(error: str) -> str:
    """An engine's error without the row or value of an export that it quotes.

    It may be another tenant's. macros/quality/without_rows.sql does the same under bare dbt.
    """
    quoted = _QUOTED.search(error)
    if not quoted:
        return error
    before = error[: quoted.start()].rstrip(" :")
    # The last one, because a row may contain such a line too.
    files = _FILE.findall(error, quoted.start())
    before += f" in file {files[-1]}" if files else ""
    return f"{before}: a value does not fit; dbt's log shows it."


def parsed(value: Any) -> Any:
    """A JSON column's value: DuckDB returns it as text, BigQuery as an object."""
    return json.loads(value) if isinstance(value, str) else value


def joined(found: Sequence[FailedExpectation]) -> str:
    """Several failed expectations as the rest of one sentence."""
    return "; ".join(one.sentence for one in found).rstrip(".") + "."


def _failed(one: dict[str, Any], node: str, table: str, status: str | None) -> FailedExpectation:
    return FailedExpectation(
        node=node,
        table=table,
        expectation=str(one.get("expectation")),
        status=status or "fail",
        rows=one.get("failing_rows"),
        description=one.get("description") or "",
        samples=tuple(
            sample if isinstance(sample, str) else json.dumps(sample)
            for sample in one.get("samples") or ()
        ),
        message=one.get("message"),
    )


def _cut(text: str) -> str:
    """A sample in one line, with an ellipsis if it was cut, here or when it was recorded."""
    line = " ".join(text.split())
    is_complete = len(line) <= LONGEST_SAMPLE and line.endswith("}")
    return line if is_complete else line[:LONGEST_SAMPLE] + "…"
