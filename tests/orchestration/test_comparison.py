"""Which dates moved, by the statement in DuckDB and by the same rules in Python."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

import duckdb
import pytest

from runner.dataset.session import execute
from runner.dates import ALL, DAY, DateRange
from runner.names import EARLIEST
from runner.orchestration.comparison import Comparison
from runner.sql import Row, Value

NOON = datetime(2024, 11, 9, 12, tzinfo=UTC)


class Source(NamedTuple):
    export: str
    partition: date | None


Held = Mapping[date, Mapping[Source, tuple[int, datetime | None]]]
TABLES = {
    "stg_gcp_billing__export": "usage_start_time timestamp",
    "billing_cost_daily": "ingestion_date date",
    "export_landing": "usage_start_time timestamp",
}


class Tables:
    """A dataset of these tables in memory, in the place of a tenant's file."""

    def __init__(self) -> None:
        self.prunes_exports = True
        self.connection = duckdb.connect()
        self.connection.execute("set threads = 1; set TimeZone = 'UTC'; create schema one")
        for name, day in TABLES.items():
            self.connection.execute(
                f"create table one.{name} ({day}, export_ref varchar,"
                " export_partition_time timestamp, export_time timestamp)"
            )

    def read(self, tenant: str, sql: str, **values: Value) -> list[Row]:
        return execute(self.connection, sql, values)

    def fill(self, name: str, held: Held) -> None:
        rows = [
            (day, export, partition, at and at.replace(tzinfo=None))
            for day, parts in held.items()
            for (export, partition), (count, at) in parts.items()
            for _ in range(count)
        ]
        self.connection.execute(f"delete from one.{name}")
        if rows:
            self.connection.executemany(f"insert into one.{name} values (?, ?, ?, ?)", rows)


@dataclass
class Compared:
    """What the statement returns, by the names that it gives its columns."""

    rows: list[Row]

    def dates(self, column: str) -> set[date]:
        return {row["usage_date"] for row in self.rows if row[column]}

    @property
    def unread_rows(self) -> int:
        return sum(row["unread_rows"] for row in self.rows)


@pytest.fixture(scope="module")
def tables() -> Iterator[Tables]:
    made = Tables()
    yield made
    made.connection.close()


@pytest.fixture
def compare(tables: Tables) -> Any:
    def compared(
        exported: Held,
        copied: Held,
        since: date | None = None,
        refs: tuple[str, ...] = ("one",),
        bill: str = "billing_cost_daily",
    ) -> Compared:
        tables.fill("stg_gcp_billing__export", exported)
        if bill:
            tables.fill(bill, copied)
        one = Comparison(tables, "one", bill, since, refs)  # type: ignore[arg-type]
        return Compared(one.rows(ALL, ALL, oldest=ALL.first))

    return compared


def day(number: int) -> date:
    return date(2024, 10, 31) + timedelta(days=number)


def held(*rows: tuple[int, int | None, int], at: datetime = NOON, export: str = "one") -> Held:
    """(date, partition, rows) by number of the day in November."""
    found: dict[date, dict[Source, tuple[int, datetime | None]]] = {}
    for usage, part, count in rows:
        source = Source(export, day(part) if part is not None else None)
        found.setdefault(day(usage), {})[source] = (count, at)
    return found


def both(one: Held, other: Held) -> Held:
    return {day: {**one.get(day, {}), **other.get(day, {})} for day in {*one, *other}}


def test_what_was_loaded_as_it_stands_has_not_moved(compare) -> None:
    same = held((1, 1, 5), (1, 9, 1), (2, 2, 3))
    assert compare(same, same, None).dates("has_moved") == set()


def test_a_new_partition_a_count_a_time_and_a_date_without_rows_are_moves(compare) -> None:
    copied = held((1, 1, 5), (2, 2, 5), (4, 4, 1))
    exported = held((1, 1, 5), (1, 9, 1), (2, 2, 6), (3, 3, 1))
    assert compare(exported, copied, None).dates("has_moved") == {day(1), day(2), day(3), day(4)}
    later = held((1, 1, 5), at=NOON + timedelta(hours=1))
    assert compare(later, held((1, 1, 5)), None).dates("has_moved") == {day(1)}


def test_a_row_that_became_visible_long_after_its_export_time_is_counted(compare) -> None:
    """Its export_time is older than the load: only the number of rows shows it."""
    assert compare(held((1, 1, 6)), held((1, 1, 5)), None).dates("has_moved") == {day(1)}


def test_by_how_many_days_a_row_was_exported_after_its_partition_is_reported(compare) -> None:
    late = held((1, 4, 1), (1, 9, 1), (2, 8, 2), (3, None, 1))
    loaded = held((4, 1, 1))
    assert {row["usage_date"]: row["lag_days"] for row in compare(late, loaded).rows} == {
        **{day(1): 5, day(2): 1},
        **{day(3): None, day(4): None},
    }


def test_only_the_partitions_that_were_read_are_compared(compare) -> None:
    copied, exported = held((1, 1, 5), (8, 8, 2)), held((8, 8, 2))
    assert compare(exported, copied, day(8)).dates("has_moved") == set()
    assert compare(exported, copied, None).dates("has_moved") == {day(1)}


def test_rows_without_a_partition_are_compared_with_their_like(compare) -> None:
    assert compare(held((1, None, 5)), held((1, None, 4)), day(9)).dates("has_moved") == {day(1)}


def test_rows_that_no_run_reads_do_not_have_their_date_run_for_ever(compare) -> None:
    """A partition more than a day before the usage; a range that began earlier did load them."""
    exported = held((5, 3, 2), (5, 5, 1))
    for copied in (held((5, 5, 1)), held((5, 3, 2), (5, 5, 1))):
        assert compare(exported, copied, None).dates("has_moved") == set()
    assert compare(exported, {}).unread_rows == 2
    assert compare(held((5, 4, 2)), {}).unread_rows == 0, "the day before is read"


def test_what_the_export_has_dropped_is_not_run_again(compare) -> None:
    copied = held((1, 1, 5), (1, 8, 1), (3, 3, 1))
    exported = held((1, 8, 2), (3, 3, 1), (4, 4, 1))
    assert compare(exported, copied, None, ("one",)).dates("has_expired") & {day(1)} == {day(1)}
    assert (
        compare(exported, copied, None, ("one",)).dates("has_expired") & {day(3), day(4)} == set()
    )
    assert compare({}, copied, None, ("one",)).dates("has_expired") & {day(3)} == {day(3)}, (
        "an export without rows"
    )


def test_an_emptied_date_between_others_is_not_dropped_but_empty(compare) -> None:
    copied, exported = held((1, 1, 1), (2, 2, 1)), held((1, 1, 1))
    assert compare(exported, copied, None, ("one",)).dates("has_expired") & {day(2)} == set()


def test_each_export_is_judged_by_its_own_partitions(compare) -> None:
    """One whose partitions expire beside one that keeps all of them."""
    copied = both(held((1, 1, 5), (8, 8, 5)), held((1, 1, 2), (8, 8, 2), export="two"))
    exported = both(held((8, 8, 5)), held((1, 1, 3), (8, 8, 2), export="two"))
    assert compare(exported, copied, None).dates("has_moved") == {day(1)}
    assert compare(
        exported,
        copied,
        None,
        (
            "one",
            "two",
        ),
    ).dates("has_expired") & {day(1), day(8)} == {day(1)}
    assert compare(
        held((1, 1, 3), export="two"),
        copied,
        None,
        (
            "one",
            "two",
        ),
    ).dates("has_expired") & {day(1)}


def test_rows_of_a_former_export_are_replaced_only_by_as_many(compare) -> None:
    """Its partitions are not gone, but no longer asked for: its rows may be nowhere else."""
    copied = held((1, 1, 5), (2, 2, 5), (3, 3, 5))
    exported = held((2, 2, 4), (3, 3, 5), export="two")
    days = [day(1), day(2), day(3)]
    assert compare(exported, copied, None).dates("has_moved") == set(days)
    assert compare(exported, copied, None, ("two",)).dates("has_expired") == {day(1), day(2)}


def test_of_rows_without_a_partition_those_before_all_others_are_dropped(compare) -> None:
    """A file of the last months only, written anew each night."""
    copied, exported = held((1, None, 5), (2, None, 5)), held((2, None, 6))
    assert compare(exported, copied, None, ("one",)).dates("has_expired") & {day(1), day(2)} == {
        day(1)
    }


def is_read(usage_date: date, partition: date | None, prunes: bool) -> bool:
    is_in_time = not prunes or partition is None or partition >= usage_date - DAY
    return usage_date >= EARLIEST and is_in_time


def differing(exported: Held, copied: Held, since: date | None, prunes: bool) -> set[date]:
    def of(held: Held, day: date) -> dict[Source, Any]:
        return {
            source: rows
            for source, rows in held.get(day, {}).items()
            if is_read(day, source.partition, prunes)
            and (since is None or source.partition is None or source.partition >= since)
        }

    return {day for day in {*exported, *copied} if of(exported, day) != of(copied, day)}


def expired(exported: Held, copied: Held, exports: tuple[str, ...]) -> set[date]:
    parts = [(day, *source) for day, held in exported.items() for source in held]
    known = {*exports, *(ref for _, ref, _ in parts)}

    def count(held: Held, day: date) -> int:
        return sum(rows for rows, _ in held.get(day, {}).values())

    def has_expired(day: date, source: Source) -> bool:
        ref, part = source
        if ref not in known:
            return count(exported, day) < count(copied, day)
        if part is None:
            return day < min((d for d, r, _ in parts if r == ref), default=date.max)
        return part < min((p for _, r, p in parts if r == ref and p), default=date.max)

    return {day for day, held in copied.items() if any(has_expired(day, source) for source in held)}


def newest(exported: Held, copied: Held, refs: tuple[str, ...]) -> dict[date, datetime]:
    """Of the exports that are read; one that is read no more cannot stop."""
    of_export: dict[str, datetime] = {}
    for held in (*exported.values(), *copied.values()):
        for source, (_, at) in held.items():
            of_export[source.export] = max(at or NOON, of_export.get(source.export, at or NOON))
    read = {day: [one.export for one in held if one.export in refs] for day, held in copied.items()}
    return {day: min(map(of_export.__getitem__, found)) for day, found in read.items() if found}


def a_bill(r: random.Random) -> dict[date, dict[Source, tuple[int, datetime | None]]]:
    found: dict[date, dict[Source, tuple[int, datetime | None]]] = {}
    for _ in range(r.randint(0, 8)):
        usage = EARLIEST - DAY if r.random() < 0.05 else day(r.randint(0, 6))
        part = r.choice([None, *(day(n) for n in range(-3, 9))])
        rows = (r.randint(1, 3), NOON + timedelta(hours=r.randint(0, 3)))
        found.setdefault(usage, {})[Source(r.choice(["one", "two"]), part)] = rows
    return found


def test_on_random_bills_the_statement_agrees_with_the_rules(compare, tables) -> None:
    for seed in range(300):
        r = random.Random(seed)
        exported, copied = a_bill(r), a_bill(r)
        for usage in exported:
            if r.random() < 0.5:
                copied[usage] = dict(exported[usage])
        since = r.choice([None, day(2), day(5)])
        refs = r.choice([("one", "two"), ("one",), ("two",)])
        tables.prunes_exports = r.random() < 0.5
        bill = r.choice(["billing_cost_daily", "export_landing", ""])
        copied = copied if bill else {}
        found = compare(exported, copied, since, refs, bill)
        assert found.dates("has_moved") == differing(
            exported, copied, since, tables.prunes_exports
        ), seed
        assert found.dates("has_expired") == expired(exported, copied, refs), seed
        assert found.dates("exported_rows") == {*exported}, seed
        assert found.unread_rows == sum(
            rows
            for day, parts in exported.items()
            for source, (rows, _) in parts.items()
            if not is_read(day, source.partition, tables.prunes_exports)
        ), seed
        assert found.dates("lacks_rows") == {
            day for day, parts in copied.items() if {*parts} - {*exported.get(day, {})}
        }, seed
        assert found.dates("has_older_rows") == {
            day
            for day, parts in copied.items()
            if since and any(source.partition and source.partition < since for source in parts)
        }, seed
        times = {row["usage_date"]: row["newest_export_time"] for row in found.rows}
        known = {day: at for day, at in times.items() if at}
        assert known == newest(exported, copied, refs), seed
    tables.prunes_exports = True


def test_only_the_partitions_and_dates_that_are_asked_for_are_read(tables: Tables) -> None:
    tables.fill("stg_gcp_billing__export", held((1, 1, 1), (3, 8, 1), (4, None, 1), (9, 9, 1)))
    tables.fill("billing_cost_daily", held((1, 1, 1), (2, 2, 1), (3, 3, 1)))
    one = Comparison(tables, "one", "billing_cost_daily", day(8), ("one",))  # type: ignore[arg-type]
    assert one.loaded_dates([]) == DateRange(day(3), ALL.last)
    assert one.loaded_dates([day(2)]) == DateRange(day(2), ALL.last)
    rows = one.rows(DateRange(day(2), ALL.last), DateRange(day(1), day(8)))
    assert [row["usage_date"] for row in rows] == [day(2), day(3), day(4)]
    rows = one.rows(DateRange(day(2), day(2)), ALL, oldest=day(1))
    assert [row["usage_date"] for row in rows] == [day(1), day(2), day(3), day(4), day(9)]
