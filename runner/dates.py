"""Ranges of usage dates."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

DAY = timedelta(days=1)
# A run of more dates would hold them all in one transaction; what is done stays done when a later
# range fails.
LONGEST_DAYS = 366


@dataclass(frozen=True, order=True)
class DateRange:
    """Usage dates from first to last, both in (UTC). As text: one date, or `from to`."""

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
        """What is left of this one, before and after the other."""
        before = DateRange(self.first, min(self.last, other.first - DAY))
        after = DateRange(max(self.first, other.last + DAY), self.last)
        return [part for part in (before, after) if part.first <= part.last]

    def chunks(self) -> "list[DateRange]":
        """The same dates in parts that are not too long, oldest first."""
        return ranges(self)


# Dates that there can be, and a day after.
ALL = DateRange(date(1970, 1, 1), date(9999, 12, 30))


def midnight(day: date) -> datetime:
    """When the day begins, in UTC."""
    return datetime.combine(day, time(), UTC)


def ranges(days: Iterable[date], longest: int = LONGEST_DAYS) -> list[DateRange]:
    """The dates as contiguous ranges, oldest first, none longer than so many days."""
    found: list[DateRange] = []
    for day in sorted(days):
        if found and found[-1].last == day - DAY and found[-1].days < longest:
            found[-1] = DateRange(found[-1].first, day)
        else:
            found.append(DateRange(day, day))
    return found


def in_words(days: Iterable[date]) -> str:
    """The dates for people, contiguous ones as one range."""
    return ", ".join(map(str, ranges(days)))
