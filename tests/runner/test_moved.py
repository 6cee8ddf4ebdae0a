"""Which dates moved, and how they become ranges: decided without a clock or a warehouse."""

from datetime import UTC, date, datetime, timedelta

import yaml
from hypothesis import given
from hypothesis import strategies as st
from support import ROOT

from runner.dates import DateRange, ranges
from runner.orchestration import moved
from runner.orchestration.moved import Ended, Source

NOON = datetime(2024, 11, 9, 12, tzinfo=UTC)


def day(number: int) -> date:
    return date(2024, 10, 31) + timedelta(days=number)


def held(
    *rows: tuple[int, int | None, int], at: datetime = NOON, export: str | None = "one"
) -> moved.Held:
    """(date, partition, rows) by number of the day in November."""
    found: dict[date, dict[Source, moved.Rows]] = {}
    for usage, part, count in rows:
        source = Source(export, day(part) if part is not None else None)
        found.setdefault(day(usage), {})[source] = (count, at)
    return found


def both(one: moved.Held, other: moved.Held) -> moved.Held:
    return {day: {**one.get(day, {}), **other.get(day, {})} for day in {*one, *other}}


def test_what_was_loaded_as_it_stands_has_not_moved() -> None:
    same = held((1, 1, 5), (1, 9, 1), (2, 2, 3))
    assert moved.differing(same, same, None) == set()


def test_a_new_partition_a_count_a_time_and_a_date_without_rows_are_moves() -> None:
    copied = held((1, 1, 5), (2, 2, 5), (4, 4, 1))
    exported = held((1, 1, 5), (1, 9, 1), (2, 2, 6), (3, 3, 1))
    assert moved.differing(exported, copied, None) == {day(1), day(2), day(3), day(4)}
    later = held((1, 1, 5), at=NOON + timedelta(hours=1))
    assert moved.differing(later, held((1, 1, 5)), None) == {day(1)}


def test_a_row_that_became_visible_long_after_its_export_time_is_counted() -> None:
    """Its export_time is older than the load: only the number of rows tells."""
    assert moved.differing(held((1, 1, 6)), held((1, 1, 5)), None) == {day(1)}


def test_only_the_partitions_that_were_read_are_compared() -> None:
    copied, exported = held((1, 1, 5), (8, 8, 2)), held((8, 8, 2))
    assert moved.differing(exported, copied, day(8)) == set()
    assert moved.differing(exported, copied, None) == {day(1)}


def test_rows_without_a_partition_are_compared_with_their_like() -> None:
    assert moved.differing(held((1, None, 5)), held((1, None, 4)), day(9)) == {day(1)}


def test_rows_that_no_run_reads_do_not_have_their_date_run_for_ever() -> None:
    """A partition more than a day before the usage; a range that began earlier did load them."""
    exported = held((5, 3, 2), (5, 5, 1))
    for copied in (held((5, 5, 1)), held((5, 3, 2), (5, 5, 1))):
        assert moved.differing(exported, copied, None) == set()
    assert moved.unread_rows(exported) == 2
    assert moved.unread_rows(held((5, 4, 2))) == 0, "the day before is read"


def test_what_the_export_has_dropped_is_not_run_again() -> None:
    copied = held((1, 1, 5), (1, 8, 1), (3, 3, 1))
    exported = held((1, 8, 2), (3, 3, 1), (4, 4, 1))
    assert moved.forgotten([day(1)], exported, copied, ["one"]) == {day(1)}
    assert moved.forgotten([day(3), day(4)], exported, copied, ["one"]) == set()
    assert moved.forgotten([day(3)], {}, copied, ["one"]) == {day(3)}, "an export without rows"


def test_an_emptied_date_between_others_is_not_dropped_but_empty() -> None:
    copied, exported = held((1, 1, 1), (2, 2, 1)), held((1, 1, 1))
    assert moved.forgotten([day(2)], exported, copied, ["one"]) == set()


def test_each_export_is_judged_by_its_own_partitions() -> None:
    """One whose partitions expire beside one that keeps all of them."""
    copied = both(held((1, 1, 5), (8, 8, 5)), held((1, 1, 2), (8, 8, 2), export="two"))
    exported = both(held((8, 8, 5)), held((1, 1, 3), (8, 8, 2), export="two"))
    assert moved.differing(exported, copied, None) == {day(1)}
    assert moved.forgotten([day(1), day(8)], exported, copied, ["one", "two"]) == {day(1)}
    assert moved.forgotten([day(1)], held((1, 1, 3), export="two"), copied, ["one", "two"])


def test_rows_of_a_former_export_are_replaced_only_by_as_many() -> None:
    """Its partitions are not gone, but no longer asked for: its rows may be nowhere else."""
    copied = held((1, 1, 5), (2, 2, 5), (3, 3, 5))
    exported = held((2, 2, 4), (3, 3, 5), export="two")
    days = [day(1), day(2), day(3)]
    assert moved.differing(exported, copied, None) == set(days)
    assert moved.forgotten(days, exported, copied, ["two"]) == {day(1), day(2)}


def test_an_export_has_stopped_when_its_newest_row_is_two_days_old() -> None:
    loaded = held((9, 9, 1))
    for hours, stopped in ((47, None), (49, NOON)):
        assert moved.has_stopped(loaded, loaded, NOON + timedelta(hours=hours)) == stopped
    assert moved.has_stopped({}, loaded, NOON + timedelta(days=20)) == NOON, "emptied"
    assert moved.has_stopped(loaded, {}, NOON + timedelta(days=20)) is None, "nothing loaded"
    assert moved.has_stopped(loaded, loaded, NOON + timedelta(days=40)) is None, "an old sample"


def test_of_two_exports_one_has_stopped_though_the_other_is_written() -> None:
    def one(export: str, number: int, at: datetime) -> dict[date, dict[moved.Source, moved.Rows]]:
        return {day(number): {moved.Source(export, None): (1, at)}}

    late = NOON + timedelta(hours=49)
    loaded = {**one("a", 9, NOON), **one("b", 10, late)}
    assert moved.has_stopped(loaded, loaded, late) == NOON


def test_a_landing_is_late_for_who_runs_dates_of_this_month() -> None:
    for hours, late in ((47, None), (49, NOON)):
        now = NOON + timedelta(hours=hours)
        assert moved.is_late(NOON, {now.date(): True}, now) == late
    assert moved.is_late(NOON, {day(1): True}, NOON + timedelta(days=60)) is None
    assert moved.is_late(None, {day(1): True}, NOON) is None


def test_an_export_has_stopped_when_the_data_quality_test_says_so() -> None:
    models = yaml.safe_load((ROOT / "models/billing/_billing.yml").read_text())["models"]
    (hours,) = [
        one["written_lately"]
        for one in models[0]["data_tests"][0]["expectations"]["arguments"]["expect"]
        if one.get("name") == "export_has_not_stopped"
    ]
    assert timedelta(hours=hours) == moved.STOPPED_AFTER


def test_of_rows_without_a_partition_those_before_all_others_are_dropped() -> None:
    """A file of the last months only, written anew each night."""
    copied, exported = held((1, None, 5), (2, None, 5)), held((2, None, 6))
    assert moved.forgotten([day(1), day(2)], exported, copied, ["one"]) == {day(1)}


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
