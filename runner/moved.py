"""Which usage dates moved since they were loaded, and the ranges to run again. No I/O."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise

from runner.slugs import EARLIEST

DAY = timedelta(days=1)
# A range of more dates is cut: what is done stays done when a later one fails.
LONGEST_DAYS = 366
# A longer hole in the usage is a time without any, not a date that nobody loaded.
LONGEST_GAP = 31

# How many charge rows, and when the newest of them was exported.
Rows = tuple[int, datetime | None]
# By usage date and partition of the export; a row without a partition time is under None.
Held = Mapping[date, Mapping[date | None, Rows]]


@dataclass(frozen=True)
class Ended:
    """A run that ended: whether it completed, and its usage dates, both in."""

    completed: bool
    first: date
    last: date


@dataclass(frozen=True, order=True)
class Range:
    """Usage dates of one run, both in."""

    first: date
    last: date

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    def dates(self) -> Iterable[date]:
        return (self.first + n * DAY for n in range(self.days))


def is_read(usage_date: date, partition: date | None) -> bool:
    """Whether a run of the date would read the partition: else no run can ever load its rows."""
    return usage_date >= EARLIEST and (partition is None or partition >= usage_date - DAY)


def unread_rows(exported: Held) -> int:
    """Rows of the export that no run of their date reads."""
    return sum(
        rows
        for day, parts in exported.items()
        for part, (rows, _) in parts.items()
        if not is_read(day, part)
    )


def differing(exported: Held, copied: Held, since: date | None) -> set[date]:
    """Dates whose rows in these partitions are not those that were loaded from them.

    Counted, not only dated: a row may become visible long after its export time. What no run
    reads is left out on both sides, or its date would be run again for ever.
    """

    def of(held: Held, day: date) -> dict[date | None, Rows]:
        return {
            part: rows
            for part, rows in held.get(day, {}).items()
            if is_read(day, part) and (since is None or part is None or part >= since)
        }

    return {day for day in {*exported, *copied} if of(exported, day) != of(copied, day)}


def forgotten(days: Iterable[date], exported: Held, copied: Held) -> set[date]:
    """Those of the dates with loaded rows from partitions that the export has dropped since.

    Partitions expire, and a file may hold the last months only: to run such a date again would
    lose what nobody else has any more.
    """
    parts = {part for held in exported.values() for part in held if part is not None}
    oldest_part, oldest_day = min(parts, default=None), min(exported, default=None)

    def is_gone(day: date, part: date | None) -> bool:
        if part is None:
            return oldest_day is None or day < oldest_day
        return oldest_part is None or part < oldest_part

    return {day for day in days if any(is_gone(day, part) for part in copied.get(day, {}))}


def last_ends(newest_first: Iterable[Ended]) -> dict[date, bool]:
    """For each date that some run had: whether the newest of them completed."""
    ends: dict[date, bool] = {}
    for run in newest_first:
        for day in Range(run.first, run.last).dates():
            ends.setdefault(day, run.completed)
    return ends


def gaps(first: date, last: date, known: Collection[date]) -> set[date]:
    """Dates of the span that are not known, in holes that are not too long."""
    found: set[date] = set()
    hole: list[date] = []
    for day in Range(first, last).dates():
        if day not in known:
            hole.append(day)
            continue
        found.update(hole if len(hole) <= LONGEST_GAP else ())
        hole = []
    return found | set(hole if len(hole) <= LONGEST_GAP else ())


def ranges(days: Iterable[date]) -> list[Range]:
    """The dates as contiguous ranges, oldest first, none longer than a run should be."""
    found: list[Range] = []
    for day in sorted(days):
        if found and found[-1].last == day - DAY and found[-1].days < LONGEST_DAYS:
            found[-1] = Range(found[-1].first, day)
        else:
            found.append(Range(day, day))
    return found


def fit(found: Sequence[Range], runs_left: int, never: Collection[date] = ()) -> list[Range]:
    """At most so many ranges, if that can be: those with the smallest gaps become one.

    No range becomes too long, and none takes in a date of `never`. Oldest first.
    """
    fitted = sorted(found)
    while len(fitted) > max(runs_left, 1):
        joined = [
            (after.first - before.last, n)
            for n, (before, after) in enumerate(pairwise(fitted))
            if Range(before.first, after.last).days <= LONGEST_DAYS
            and not any(before.last < day < after.first for day in never)
        ]
        if not joined:
            break
        _, n = min(joined)
        fitted[n : n + 2] = [Range(fitted[n].first, fitted[n + 1].last)]
    return fitted
