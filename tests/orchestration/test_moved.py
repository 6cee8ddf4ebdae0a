"""How dates become ranges, and when an export has stopped: without a clock or a warehouse."""

from datetime import UTC, date, datetime, timedelta

import yaml
from hypothesis import given
from hypothesis import strategies as st
from support import ROOT

from runner.dates import DateRange, ranges
from runner.orchestration import moved
from runner.orchestration.moved import Ended

NOON = datetime(2024, 11, 9, 12, tzinfo=UTC)


def day(number: int) -> date:
    return date(2024, 10, 31) + timedelta(days=number)


def test_an_export_has_stopped_when_its_newest_row_is_two_days_old() -> None:
    loaded = {day(9): NOON}
    for hours, stopped in ((47, None), (49, NOON)):
        assert moved.has_stopped(loaded, NOON + timedelta(hours=hours)) == stopped
    late = NOON + timedelta(hours=49)
    assert moved.has_stopped({**loaded, day(8): None, day(7): late}, late) == NOON
    assert moved.has_stopped({day(9): None}, NOON + timedelta(days=20)) is None, "nothing loaded"
    assert moved.has_stopped(loaded, NOON + timedelta(days=40)) is None, "an old sample"


def test_a_landing_is_late_for_who_runs_dates_of_this_month() -> None:
    for hours, late in ((47, None), (49, NOON)):
        now = NOON + timedelta(hours=hours)
        assert moved.is_late(NOON, {now.date(): True}, now) == late
    assert moved.is_late(NOON, {day(1): True}, NOON + timedelta(days=60)) is None
    assert moved.is_late(None, {day(1): True}, NOON) is None


def test_an_export_has_stopped_when_the_data_quality_test_reports_it() -> None:
    models = yaml.safe_load((ROOT / "models/billing/_billing.yml").read_text())["models"]
    (hours,) = [
        one["written_lately"]
        for one in models[0]["data_tests"][0]["expectations"]["arguments"]["expect"]
        if one.get("name") == "export_has_not_stopped"
    ]
    assert timedelta(hours=hours) == moved.STOPPED_AFTER


def test_a_stopped_export_has_one_date_of_the_last_week_to_fail() -> None:
    """Yesterday, or one that has failed; never one that the test of its bill no longer judges."""
    now = NOON + timedelta(days=20)
    today = now.date()
    yesterday, long_ago = today - timedelta(days=1), today - timedelta(days=7)

    def failing(failed: set[date], charged: set[date] = frozenset(), at: datetime = NOON):
        return moved.failing(failed, charged, at, now)

    assert failing(set()) == {yesterday}
    assert failing({today - timedelta(days=6)}) == {today - timedelta(days=6)}
    assert failing({long_ago}) == {yesterday}, "it would complete without charges"
    assert failing({long_ago}, {long_ago}) == {long_ago, yesterday}
    # Judged by the end of yesterday, not by now: on the third day's morning it has not failed.
    end = datetime.combine(today, datetime.min.time(), UTC) - moved.STOPPED_AFTER
    assert failing(set(), at=end) == set()
    assert failing(set(), at=end - timedelta(seconds=1)) == {yesterday}


def test_the_newest_end_of_a_date_counts() -> None:
    runs = [
        Ended(False, DateRange(day(2), day(2))),
        Ended(True, DateRange(day(1), day(3))),
        Ended(False, DateRange(day(3), day(4))),
    ]
    assert moved.last_ends(runs) == {day(2): False, day(1): True, day(3): True, day(4): False}


def test_short_gaps_are_dates_to_load_and_long_ones_are_not() -> None:
    known = {day(1), day(4), day(80), day(81)}
    assert moved.gaps(day(1), day(81), known) == {day(2), day(3)}


def test_dates_become_contiguous_ranges_of_at_most_366_days() -> None:
    days = {day(n) for n in range(1, 401)} | {day(500)}
    found = ranges(days)
    assert [one.days for one in found] == [366, 34, 1]
    assert found[0].first == day(1) and found[1].last == day(400)


def test_the_smallest_gaps_are_joined_until_the_ranges_fit() -> None:
    found = [DateRange(day(n), day(n)) for n in (1, 3, 9, 11, 30)]
    assert moved.fit(found, 9) == found
    assert moved.fit(found, 3) == [DateRange(day(1), day(3)), DateRange(day(9), day(11)), found[4]]
    assert moved.fit(found, 1) == [DateRange(day(1), day(30))]


def test_no_range_takes_in_a_date_that_must_not_be_run_nor_becomes_too_long() -> None:
    found = [DateRange(day(1), day(1)), DateRange(day(3), day(3))]
    assert moved.fit(found, 1, never=[day(2)]) == found
    far = [DateRange(day(1), day(1)), DateRange(day(400), day(400))]
    assert moved.fit(far, 1) == far


def test_what_failed_stays_apart_and_goes_last_when_runs_are_few() -> None:
    found = [DateRange(day(n), day(n)) for n in (1, 4, 5, 7, 11)]
    failed = {day(5), day(11)}
    assert moved.fit(found, 3, failed=failed) == [
        *(DateRange(day(1), day(4)), DateRange(day(7), day(7))),
        *(DateRange(day(5), day(5)), DateRange(day(11), day(11))),
    ]
    others = [DateRange(day(1), day(2)), DateRange(day(4), day(4)), DateRange(day(9), day(9))]
    assert moved.fit(others, 2, failed={day(9)}) == [
        DateRange(day(1), day(4)),
        DateRange(day(9), day(9)),
    ]
    assert moved.fit(others, 2, failed={day(4)}) == [*(others[0], others[2]), others[1]]


def test_what_failed_is_cut_and_not_joined_to_what_was_too_long() -> None:
    """A first backfill that times out is to become smaller."""
    failed = {day(n) for n in range(1, 101)}
    cut = ranges(failed, moved.LONGEST_FAILED_DAYS)
    assert [one.days for one in cut] == [31, 31, 31, 7]
    assert moved.fit(cut, 1, failed=failed) == cut


@given(st.sets(st.integers(1, 1500)), st.integers(1, 12))
def test_ranges_have_all_dates_each_once_and_no_range_is_too_long(numbers, left: int) -> None:
    days = {day(number) for number in numbers}
    apart = ranges(days)
    assert sorted(d for one in apart for d in one) == sorted(days)
    joined = moved.fit(apart, left)
    inside = [d for one in joined for d in one]
    assert days <= set(inside) and len(inside) == len(set(inside))
    assert all(one.days <= moved.LONGEST_DAYS for one in joined)
    assert len(joined) <= len(apart)
