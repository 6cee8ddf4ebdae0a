"""The expectations of a table that did not hold, as sentences."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_IN_MESSAGE = re.compile(r"<findings>(.*)</findings>", re.DOTALL)
# Where DuckDB begins to quote a file's line or a value; it names the file of a CSV line after it.
_QUOTED = re.compile(
    r"\s*(?:\bOriginal Line:|\bExpected \w+, but got |\bInput: \"|\bCould not parse string )"
    r"|(?<=\bConversion Error:)(?! CSV Error)|(?<=: )Object (?=\{)",
)
_FILE = re.compile(r"\n *file = (.*)\n")
# An example may be a row with long labels: a message stays readable without them.
LONGEST_SAMPLE = 500


@dataclass(frozen=True)
class Finding:
    """A named expectation that did not hold.

    `node`: dbt's id of the model or the test that found it. `status`: fail, warn, or error where
    it could not be checked. `rows`: how many rows fail, None where unknown. `samples`: up to five
    of them, each as JSON text.
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


def of_rows(rows: Iterable[Mapping[str, Any]]) -> list[Finding]:
    """What failed or warned by the run's rows of x_meta_dq_results."""
    return [
        _finding(one, one.get("node") or "", row["target_table"] or "", one.get("status"))
        for row in rows
        for one in parsed(row["failed_expectations"]) or ()
        if one.get("status") != "skipped"
    ]


def of_message(node: str, table: str, message: str | None) -> list[Finding]:
    """What failed by the message of a model that was not published; empty if it names none."""
    found = _IN_MESSAGE.search(message or "")
    try:
        entries = json.loads(found.group(1)) if found else []
        return [_finding(one, node, table, "fail") for one in entries]
    except (ValueError, AttributeError):  # cut off, or no list of objects
        return []


def without_findings(message: str | None) -> str | None:
    """The message without its machine-readable part."""
    return message and _IN_MESSAGE.sub("", message).strip()


def without_rows(error: str) -> str:
    """An engine's error without the row or value of an export that it quotes.

    They may be another tenant's. macros/quality/without_rows.sql does the same under bare dbt.
    """
    quoted = _QUOTED.search(error)
    if not quoted:
        return error
    before = error[: quoted.start()].rstrip(" :")
    # The last: a row may hold such a line, too.
    files = _FILE.findall(error, quoted.start())
    before += f" in file {files[-1]}" if files else ""
    return f"{before}: a value does not fit, which dbt's log shows."


def parsed(value: Any) -> Any:
    """A JSON column's value: DuckDB returns text, BigQuery what it means."""
    return json.loads(value) if isinstance(value, str) else value


def joined(found: Sequence[Finding]) -> str:
    """Several findings as the rest of one sentence."""
    return "; ".join(one.sentence for one in found).rstrip(".") + "."


def _finding(one: dict[str, Any], node: str, table: str, status: str | None) -> Finding:
    return Finding(
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
    """A sample in one line; an ellipsis where it is cut off, here or when it was kept."""
    line = " ".join(text.split())
    is_complete = len(line) <= LONGEST_SAMPLE and line.endswith("}")
    return line if is_complete else line[:LONGEST_SAMPLE] + "…"
