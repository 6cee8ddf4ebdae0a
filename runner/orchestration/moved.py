"""The ranges of the usage dates to run again, and whether an export has stopped. No I/O."""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise

from runner.dates import DAY, LONGEST_DAYS, DateRange, midnight

# Ranges of failed dates are shorter: a range that timed out may complete in parts.
LONGEST_FAILED_DAYS = 31
# A longer gap is a time without usage, not dates that were not loaded.
LONGEST_GAP = 31

# A catch-up starts at least this long before the newest partition of the last one.
MARGIN = 2 * DAY
# Every few days it starts this far back: Google does not document the partition of a late row.
WIDE = 90 * DAY

# The age of the newest row of a stopped export, as in export_has_not_stopped (_billing.yml).
STOPPED_AFTER = timedelta(hours=48)
# An export without rows in the bill of this many days is not expected to continue.
JUDGED_DAYS = 31


@dataclass(frozen=True)
class Ended:
    """A run that ended: whether it completed, and its usage dates."""

    completed: bool
    dates: DateRange


def has_stopped(newest: Mapping[date, datetime | None], now: datetime) -> datetime | None:
    """The time of the newest row of a stopped export; None if none has stopped.

    `newest`: by date, that of the exports of the date's rows. Only dates of the last month count:
    an old sample has not stopped.
    """
    late = (at for day, at in newest.items() if at and _is_judged(day, now))
    return min((at for at in late if at < now - STOPPED_AFTER), default=None)


def failing(
    failed: Set[date], charged: Set[date], stopped_at: datetime, now: datetime
) -> set[date]:
    """The dates of a stopped export whose runs fail, which is mailed: one of the last week.

    That is a date that failed before, or yesterday. Dates of longer ago are not judged by
    export_has_not_stopped: without exported charges their runs would complete, as if it were back.
    """
    week_ago = now.date() - 7 * DAY
    found = {day for day in failed if day > week_ago or day in charged}
    is_judged = stopped_at < midnight(now.date()) - STOPPED_AFTER
    if is_judged and max(found, default=week_ago) <= week_ago:
        found.add(now.date() - DAY)
    return found


def margin(lag_days: int | None) -> timedelta:
    """How far before its mark a catch-up starts: by `lag_days`, the most days by which a row was
    exported after its partition, within MARGIN and WIDE."""
    return min(max(MARGIN, (lag_days or 0) * DAY), WIDE)


def is_late(at: datetime | None, ends: Mapping[date, bool], now: datetime) -> datetime | None:
    """The time of a landing's last run, if it is too old for runs of dates of this month."""
    if at is None or not any(_is_judged(day, now) for day in ends):
        return None
    return at if at < now - STOPPED_AFTER else None


def _is_judged(day: date, now: datetime) -> bool:
    return day > now.date() - JUDGED_DAYS * DAY


def last_ends(newest_first: Iterable[Ended]) -> dict[date, bool]:
    """For each date of some run: whether the newest of these runs completed."""
    ends: dict[date, bool] = {}
    for run in newest_first:
        for day in run.dates:
            ends.setdefault(day, run.completed)
    return ends


def gaps(first: date, last: date, known: Collection[date]) -> set[date]:
    """The unknown dates of the range, in gaps of at most LONGEST_GAP days."""
    found: set[date] = set()
    gap: list[date] = []
    for day in DateRange(first, last):
        if day not in known:
            gap.append(day)
            continue
        found.update(gap if len(gap) <= LONGEST_GAP else ())
        gap = []
    return found | set(gap if len(gap) <= LONGEST_GAP else ())


def fit(
    found: Sequence[DateRange],
    runs_left: int,
    never: Collection[date] = (),
    failed: Collection[date] = (),
) -> list[DateRange]:
    """At most `runs_left` ranges, if possible: ranges with the smallest gaps are joined.

    No range becomes too long or includes a date of `never`. Ranges with `failed` dates are not
    joined with others, and come last; each group is sorted, oldest first.
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
