"""Tables and values for people, and CSV."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any

from runner.text import money

NUMBER = int | float | Decimal


def cell(value: Any) -> str:
    """A value in a table for people: empty for None, numbers with separators, money exact."""
    if isinstance(value, Decimal):
        return money(value)
    if isinstance(value, int | float):
        return f"{value:,}"
    return "" if value is None else str(value)


def exact(value: Any) -> str:
    """A value as the warehouse has it: money exact, times as ISO 8601, nested values as JSON."""
    if isinstance(value, Decimal):
        return money(value)
    return json.dumps(value, default=str) if isinstance(value, dict | list) else str(value)


def columns(rows: Sequence[Sequence[Any]], text: Callable[[Any], str] = cell) -> list[str]:
    """Rows as aligned lines, with columns two blanks apart; numbers are aligned right."""
    right = [
        any(isinstance(value, NUMBER) for value in column) for column in zip(*rows, strict=True)
    ]
    cells = [[text(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(
            value.rjust(width) if is_right else value.ljust(width)
            for value, width, is_right in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in cells
    ]


def table(head: Sequence[str], rows: Iterable[Sequence[Any]], empty: str = "") -> str:
    """Rows under a head; `empty` where there are none."""
    found = list(rows)
    return "\n".join(columns([head, *found])) if found or not empty else empty


def query_result(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A query's rows as a table, and their number."""

    def text(value: Any) -> str:
        return "-" if value is None else exact(value)

    count = f"({len(rows)} row{'' if len(rows) == 1 else 's'})"
    return "\n".join([*columns([names, *rows], text), count])


def as_csv(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """CSV with a header and no line end after the last row; null is empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(["" if value is None else exact(value) for value in row] for row in rows)
    return out.getvalue().removesuffix("\n")


def seconds(duration_ms: int | None) -> float | None:
    """A duration with one decimal."""
    return None if duration_ms is None else round(duration_ms / 1000, 1)


def short(text: str | None, width: int) -> str:
    """The text in one line of at most `width` characters."""
    line = " ".join((text or "").split())
    return line if len(line) <= width else line[: width - 1] + "…"
