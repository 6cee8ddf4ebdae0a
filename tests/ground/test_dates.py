"""Ranges of usage dates."""

from datetime import date, timedelta

import pytest

from runner.dates import LONGEST_DAYS, DateRange, in_words, ranges

DAY = timedelta(days=1)
FIRST = date(2023, 2, 27)


@pytest.mark.parametrize("days", [1, 2, 366, 367, 1000])
def test_the_parts_of_a_range_are_its_dates_each_once(days: int) -> None:
    complete = DateRange(FIRST, FIRST + timedelta(days=days - 1))
    parts = complete.chunks()
    assert [day for part in parts for day in part] == list(complete)
    assert complete.days == days and all(part.days <= LONGEST_DAYS for part in parts)
    assert len(parts) == -(-days // LONGEST_DAYS)


def test_what_another_range_leaves_is_before_and_after_it() -> None:
    complete = DateRange(FIRST, FIRST + 9 * DAY)
    inner = DateRange(FIRST + 3 * DAY, FIRST + 4 * DAY)
    before, after = complete.without(inner)
    assert [*before, *inner, *after] == list(complete)
    assert complete.covers(inner) and not inner.covers(complete)
    assert inner.without(complete) == []
    assert complete.without(DateRange(FIRST - DAY, FIRST)) == [
        DateRange(FIRST + DAY, complete.last)
    ]


def test_dates_in_words_join_what_is_contiguous() -> None:
    days = [FIRST, FIRST + DAY, FIRST + 5 * DAY]
    assert in_words(reversed(days)) == "2023-02-27 to 2023-02-28, 2023-03-04"
    assert ranges(days, longest=1) == [DateRange(day, day) for day in days]
