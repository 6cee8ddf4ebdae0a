"""Which usage dates moved since they were loaded, and the ranges to run again. No I/O."""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from runner.dates import DAY, LONGEST_DAYS, DateRange
from runner.names import EARLIEST

# Dates that failed are cut shorter: a range that timed out may be done in parts.
LONGEST_FAILED_DAYS = 31
# A longer hole in the usage is a time without any, not a date that nobody loaded.
LONGEST_GAP = 31

# An export has stopped when its newest row is so old, as in export_has_not_stopped (_billing.yml).
STOPPED_AFTER = timedelta(hours=48)
# Nobody waits for an export of which the bill has nothing of so many days.
JUDGED_DAYS = 31


class Source(NamedTuple):
    """Where rows are from: which export, and which partition of it; None for rows without one."""

    export: str | None
    partition: date | None


# How many charge rows, and when the newest of them was exported.
Rows = tuple[int, datetime | None]
# By usage date and source.
Held = Mapping[date, Mapping[Source, Rows]]


@dataclass(frozen=True)
class Ended:
    """A run that ended: whether it completed, and its usage dates."""

    completed: bool
    dates: DateRange


def is_read(usage_date: date, partition: date | None, prunes: bool) -> bool:
    """Whether a run of the date would read the partition: else no run can ever load its rows.

    `prunes`: whether runs read an export by its partitions, as they do on BigQuery.
    """
    is_in_time = not prunes or partition is None or partition >= usage_date - DAY
    return usage_date >= EARLIEST and is_in_time


def unread_rows(exported: Held, prunes: bool = True) -> int:
    """Rows of the export that no run of their date reads."""
    return sum(
        rows
        for day, parts in exported.items()
        for source, (rows, _) in parts.items()
        if not is_read(day, source.partition, prunes)
    )


def differing(exported: Held, copied: Held, since: date | None, prunes: bool = True) -> set[date]:
    """Dates whose rows in these partitions are not those that were loaded from them.

    Counted, not only dated: a row may become visible long after its export time. What no run
    reads is left out on both sides, or its date would be run again for ever.
    """

    def of(held: Held, day: date) -> dict[Source, Rows]:
        return {
            source: rows
            for source, rows in held.get(day, {}).items()
            if is_read(day, source.partition, prunes)
            and (since is None or source.partition is None or source.partition >= since)
        }

    return {day for day in {*exported, *copied} if of(exported, day) != of(copied, day)}


def forgotten(
    days: Iterable[date], exported: Held, copied: Held, exports: Collection[str]
) -> set[date]:
    """Those of the dates with loaded rows that the exports have dropped since.

    Partitions expire, and a file may hold the last months only: to run such a date again would
    lose what nobody else has any more. Each of the `exports` is judged by its own partitions. One
    that is none of the tenant's any more has none: its date may be run when the exports of now
    have as many rows of it.
    """
    oldest_part: dict[str | None, date] = {}
    oldest_day: dict[str | None, date] = {}
    for day, held in exported.items():
        for ref, part in held:
            oldest_day[ref] = min(day, oldest_day.get(ref, day))
            if part is not None:
                oldest_part[ref] = min(part, oldest_part.get(ref, part))
    known = {*exports, *oldest_day}

    def is_gone(day: date, source: Source) -> bool:
        ref, part = source
        if ref not in known:
            return _count(exported, day) < _count(copied, day)
        if part is None:
            return ref not in oldest_day or day < oldest_day[ref]
        return ref not in oldest_part or part < oldest_part[ref]

    return {day for day in days if any(is_gone(day, source) for source in copied.get(day, {}))}


def _count(held: Held, day: date) -> int:
    return sum(rows for rows, _ in held.get(day, {}).values())


def has_stopped(exported: Held, copied: Held, now: datetime) -> datetime | None:
    """When the newest row of an export was written, if that is too long ago; None: all is well.

    Each export is judged while the bill has rows of the last month from it: an old sample has not
    stopped.
    """
    newest: dict[str | None, datetime] = {}
    for held in (exported, copied):
        for parts in held.values():
            for source, (_, at) in parts.items():
                if at is not None:
                    newest[source.export] = max(at, newest.get(source.export, at))
    judged = {
        source.export
        for day, parts in copied.items()
        if day > now.date() - JUDGED_DAYS * DAY
        for source in parts
    }
    late = (newest[one] for one in judged & newest.keys() if newest[one] < now - STOPPED_AFTER)
    return min(late, default=None)


def is_late(at: datetime | None, ends: Mapping[date, bool], now: datetime) -> datetime | None:
    """When a landing was last run, if that is too long ago for whoever runs dates of this month."""
    if at is None or not any(day > now.date() - JUDGED_DAYS * DAY for day in ends):
        return None
    return at if at < now - STOPPED_AFTER else None


def last_ends(newest_first: Iterable[Ended]) -> dict[date, bool]:
    """For each date that some run had: whether the newest of them completed."""
    ends: dict[date, bool] = {}
    for run in newest_first:
        for day in run.dates:
            ends.setdefault(day, run.completed)
    return ends


def gaps(first: date, last: date, known: Collection[date]) -> set[date]:
    """Dates of the span that are not known, in holes that are not too long."""
    found: set[date] = set()
    hole: list[date] = []
    for day in DateRange(first, last):
        if day not in known:
            hole.append(day)
            continue
        found.update(hole if len(hole) <= LONGEST_GAP else ())
        hole = []
    return found | set(hole if len(hole) <= LONGEST_GAP else ())


def fit(
    found: Sequence[DateRange],
    runs_left: int,
    never: Collection[date] = (),
    failed: Collection[date] = (),
) -> list[DateRange]:
    """At most so many ranges, if that can be: those with the smallest gaps become one.

    No range becomes too long, none takes in a date of `never`, and what `failed` stays apart from
    the rest, which goes first: oldest first, the failed ones after.
    """
    apart = {one for one in found if any(day in failed for day in one)}
    well, ill = sorted(set(found) - apart), sorted(apart)
    well = _join(well, runs_left - bool(ill), LONGEST_DAYS, {*never, *failed})
    ill_never = {*never, *(day for one in well for day in one)}
    return well + _join(ill, runs_left - len(well), LONGEST_FAILED_DAYS, ill_never)


def _join(
    found: Sequence[DateRange], runs_left: int, longest: int, never: Collection[date]
) -> list[DateRange]:
    fitted, blocked = list(found), sorted(never)
    while len(fitted) > max(runs_left, 1):
        joined = [
            (after.first - before.last, n)
            for n, (before, after) in enumerate(pairwise(fitted))
            if DateRange(before.first, after.last).days <= longest
            and bisect_right(blocked, before.last) == bisect_left(blocked, after.first)
        ]
        if not joined:
            break
        _, n = min(joined)
        fitted[n : n + 2] = [DateRange(fitted[n].first, fitted[n + 1].last)]
    return fitted
