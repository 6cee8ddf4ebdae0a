"""What is published now for usage dates: the latest publication of each table and date."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from runner.dates import ALL, DAY, DateRange


@dataclass(frozen=True)
class Publication:
    """A table's usage dates from `first` to `last`, published by one run.

    `net`: exact, by currency; None where the table's rows do not add up to the bill.
    """

    run_id: str
    table: str
    first: date
    last: date
    rows: int
    net: dict[str, Decimal] | None
    expectations_passed: int
    read_tables: tuple[str, ...]
    published_at: datetime


@dataclass(frozen=True)
class Standing:
    """What is published now for a range of dates: the tables that each run published last.

    `behind`: tables that are older than a table that they read.
    """

    first: date
    last: date
    tables_of: tuple[tuple[str, tuple[str, ...]], ...]
    behind: tuple[str, ...]


def standing(
    published: Iterable[Publication], complete: Collection[str] = (), dates: DateRange = ALL
) -> list[Standing]:
    """What is published now, oldest date first: the latest publication of each table and date.

    A table is never behind a run of `complete`, see `publications.disagreeing`.
    """
    days: dict[date, dict[str, Publication]] = {}
    for one in sorted(by_date(published, dates), key=lambda one: one.published_at):
        days.setdefault(one.first, {})[one.table] = one
    found: list[Standing] = []
    for day, latest in sorted(days.items()):
        now = _of_day(day, latest, complete)
        before = found[-1] if found else now
        if before.last == day - DAY and now == replace(before, first=day, last=day):
            found[-1] = replace(before, last=day)
        else:
            found.append(now)
    return found


def by_date(published: Iterable[Publication], dates: DateRange) -> Iterator[Publication]:
    """Each publication, once for each of its dates that is in `dates`."""
    for one in published:
        for day in DateRange(max(one.first, dates.first), min(one.last, dates.last)):
            yield replace(one, first=day, last=day)


def _of_day(day: date, latest: dict[str, Publication], complete: Collection[str]) -> Standing:
    tables_of: dict[str, list[str]] = {}
    for one in sorted(latest.values(), key=lambda one: (one.published_at, one.table)):
        tables_of.setdefault(one.run_id, []).append(one.table)
    behind = {
        one.table
        for one in latest.values()
        for read in map(latest.get, one.read_tables)
        if read and read.published_at > one.published_at and read.run_id not in complete
    }
    runs = tuple((run, tuple(sorted(tables))) for run, tables in tables_of.items())
    return Standing(day, day, runs, tuple(sorted(behind)))


def readers_see(run_id: str, published: Collection[Publication]) -> str:
    """What readers of a failed run's dates see now, from the publications of these dates."""
    own = sorted({one.table for one in published if one.run_id == run_id})
    in_order = sorted(published, key=lambda one: one.published_at)
    latest = {(one.table, one.first): one for one in in_order}
    older = [one for one in latest.values() if one.run_id != run_id]
    if not own and not older:
        return "Nothing is published for these dates."
    before = f"Published before the failure: {few(own)}. " if own else ""
    if not older:
        return f"{before}No other table has these dates."
    oldest = min(older, key=lambda one: one.published_at)
    more = len({one.run_id for one in older}) - 1
    by = f"run {oldest.run_id} of {oldest.published_at:%Y-%m-%d %H:%M} UTC"
    by += f" and {more} later" if more else ""
    return f"{before}{'The other tables' if own else 'All tables'} still have the rows of {by}."


def few(names: Sequence[str]) -> str:
    """The first three names, and the number of others."""
    more = len(names) - 3
    return ", ".join(names[:3]) + (f" and {more} more" if more > 0 else "")


def standing_lines(found: Sequence[Standing], run_id: str = "") -> list[str]:
    """A line for each range: which run published which tables; `run_id` is shown as this run."""
    lines = []
    for one in found:
        by = [
            f"{few(tables) if len(one.tables_of) > 1 else _count(tables)} by"
            f" {'this run' if run == run_id else f'run {run}'}"
            for run, tables in one.tables_of
        ]
        if one.behind:
            by.append(f"older than the tables that they read: {few(one.behind)}")
        lines.append(f"{DateRange(one.first, one.last)}: {'; '.join(by)}")
    return lines


def _count(tables: Sequence[str]) -> str:
    return f"{len(tables)} table{'s' if len(tables) > 1 else ''}"


def standing_document(found: Sequence[Standing]) -> list[dict[str, Any]]:
    """What is published now, as `status --json` and the API return it."""
    return [
        {
            "from_date": one.first,
            "to_date": one.last,
            "runs": [
                {"pipeline_logging_id": run, "tables": list(tables)}
                for run, tables in one.tables_of
            ],
            "layers_agree": not one.behind,
            "behind": list(one.behind),
        }
        for one in found
    ]
