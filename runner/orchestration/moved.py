"""The ranges of the usage dates to run again, and when an export has stopped. No I/O."""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise

from runner.dates import DAY, LONGEST_DAYS, DateRange

# Dates that failed are cut shorter: a range that timed out may be done in parts.
LONGEST_FAILED_DAYS = 31
# A longer hole in the usage is a time without any, not a date that was not loaded.
LONGEST_GAP = 31

# So far before the newest partition that was seen, the next catch-up begins, at the least.
MARGIN = 2 * DAY
# So far back it begins now and then, for Google does not say which partition a late row is in.
WIDE = 90 * DAY

# An export has stopped when its newest row is so old, as in export_has_not_stopped (_billing.yml).
STOPPED_AFTER = timedelta(hours=48)
# An export of which the bill has nothing of so many days is not waited for.
JUDGED_DAYS = 31


@dataclass(frozen=True)
class Ended:
    """A run that ended: whether it completed, and its usage dates."""

    completed: bool
    dates: DateRange


def has_stopped(newest: Mapping[date, datetime | None], now: datetime) -> datetime | None:
    """When the newest row of an export was written, if that is too long ago; None if it is not.

    `newest`: that of the exports from which the bill has rows of the date. Those of the last month
    count: an old sample has not stopped.
    """
    late = (at for day, at in newest.items() if at and _is_judged(day, now))
    return min((at for at in late if at < now - STOPPED_AFTER), default=None)


def margin(lag_days: int | None) -> timedelta:
    """How far before its mark a catch-up begins: as far as a row was ever exported after its
    partition, `lag_days`, and no farther than it begins now and then anyway."""
    return min(max(MARGIN, (lag_days or 0) * DAY), WIDE)


def is_late(at: datetime | None, ends: Mapping[date, bool], now: datetime) -> datetime | None:
    """When a landing was last run, if that is too long ago for whoever runs dates of this month."""
    if at is None or not any(_is_judged(day, now) for day in ends):
        return None
    return at if at < now - STOPPED_AFTER else None


def _is_judged(day: date, now: datetime) -> bool:
    return day > now.date() - JUDGED_DAYS * DAY


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
    rest = _join(
        sorted(set(found) - apart), runs_left - bool(apart), LONGEST_DAYS, {*never, *failed}
    )
    taken = {*never, *(day for one in rest for day in one)}
    return rest + _join(sorted(apart), runs_left - len(rest), LONGEST_FAILED_DAYS, taken)


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
