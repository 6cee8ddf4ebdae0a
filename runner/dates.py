"""Ranges of usage dates."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

DAY = timedelta(days=1)
# A longer range is run in parts, each in a transaction, so that a failure keeps the earlier parts.
LONGEST_DAYS = 366


@dataclass(frozen=True, order=True)
class DateRange:
    """Usage dates (UTC) from first to last, both included. As text: `A`, or `A to B`."""

    first: date
    last: date

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last

    def __iter__(self) -> Iterator[date]:
        return (self.first + n * DAY for n in range(self.days))

    def __str__(self) -> str:
        if self.first == self.last:
            return self.first.isoformat()
        return f"{self.first.isoformat()} to {self.last.isoformat()}"

    def covers(self, other: "DateRange") -> bool:
        """Whether all dates of the other are in this one."""
        return self.first <= other.first and other.last <= self.last

    def without(self, other: "DateRange") -> "list[DateRange]":
        """The parts of this range before and after the other one."""
        before = DateRange(self.first, min(self.last, other.first - DAY))
        after = DateRange(max(self.first, other.last + DAY), self.last)
        return [part for part in (before, after) if part.first <= part.last]

    def chunks(self) -> "list[DateRange]":
        """The same dates in ranges of at most LONGEST_DAYS, oldest first."""
        return ranges(self)


# All possible dates; one day less, so that the day after the last is a date.
ALL = DateRange(date(1970, 1, 1), date(9999, 12, 30))


def midnight(day: date) -> datetime:
    """The start of the day, in UTC."""
    return datetime.combine(day, time(), UTC)


def ranges(days: Iterable[date], longest: int = LONGEST_DAYS) -> list[DateRange]:
    """The dates as contiguous ranges of at most `longest` days, oldest first."""
    found: list[DateRange] = []
    for day in sorted(days):
        if found and found[-1].last == day - DAY and found[-1].days < longest:
            found[-1] = DateRange(found[-1].first, day)
        else:
            found.append(DateRange(day, day))
    return found


def in_words(days: Iterable[date]) -> str:
    """The dates as text, contiguous ones as one range."""
    return ", ".join(map(str, ranges(days)))
