"""How far back a catch-up compares: by its mark, and every few days 90 days. By today's clock."""

import json
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import astuple, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from control_file import Control
from test_comparison import Source, Tables

from runner.control import tenants
from runner.dates import DAY
from runner.errors import UsageProblem
from runner.orchestration import moved_dates
from runner.orchestration.moved_dates import Found
from runner.pipelines import templates
from runner.sql import Row, Value

TEMPLATE = templates.load(templates.DEFAULT)
EXPORT = tenants.Export("p.d.t")
KNOWN = tenants.Known("one", "One", "a@b.example", TEMPLATE.name, (EXPORT,))
NOW = datetime.now(UTC)
TODAY = NOW.date()
# A day's rows, and a late row of it in a partition of 30 days ago, that Google exported today.
OLD, NEW = TODAY - 40 * DAY, TODAY - DAY
LATE = Source(EXPORT.id, TODAY - 30 * DAY)


class Bills(Tables):
    """A dataset that has a bill, of which nothing is published by a run."""

    def read(self, tenant: str, sql: str, **values: Value) -> list[Row]:
        return [] if "x_meta_publications" in sql else super().read(tenant, sql, **values)

    def has_table(self, tenant: str, table: str) -> bool:
        return True

    def exclusive(self, tenant: str, on_wait: Any) -> AbstractContextManager[None]:
        return nullcontext()


@pytest.fixture(scope="module")
def bills() -> Iterator[Bills]:
    made = Bills()
    loaded: Any = {day: {Source(EXPORT.id, day): (5, NOW - (TODAY - day))} for day in (OLD, NEW)}
    made.fill("billing_cost_daily", loaded)
    made.fill("stg_gcp_billing__export", {**loaded, OLD: {**loaded[OLD], LATE: (1, NOW)}})
    yield made
    made.connection.close()


class Nights:
    """Catch-ups that were, and the next one."""

    def __init__(self, control: Control, bills: Bills) -> None:
        self._control, self._bills = control, bills
        control.sql("delete from acme.x_meta_catch_ups")

    def past(self, days_ago: int, days_back: int | None, lag_days: int = 0) -> "Nights":
        """A complete catch-up of so many days ago, and how far back it compared; None: all."""
        at = NOW - timedelta(days=days_ago)
        self._control.sql(
            "insert into acme.x_meta_catch_ups by name select ? as catch_up_id, 'one' as tenant_id,"
            " ? as pipeline_id, ? as checked_at, ? as partitions_from, ? as newest_partition,"
            " ? as exports, ? as partition_lag_days, 1 as is_complete",
            str(uuid.uuid4()),
            TEMPLATE.pipeline_of("one"),
            at,
            None if days_back is None else at.date() - days_back * DAY,
            at.date() - DAY,
            json.dumps([astuple(EXPORT)]),
            lag_days,
        )
        return self

    def next(self, **environ: str) -> Found:
        """What the catch-up of now finds; the control tables are those of acme."""
        context, own = self._control.context, self._control.context.settings
        store = _As(context.store)
        settings = replace(own, environ={**own.environ, **environ})
        given: Any = {"dataset": self._bills, "store": store, "settings": settings}
        return moved_dates.find(replace(context, **given), KNOWN, TEMPLATE)


class _As:
    """A store in which the tenant `one` is the control file's `acme`."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def read(self, sql: str, **values: Value) -> list[Row]:
        found: list[Row] = self._store.read(sql.replace("`one.", "`acme."), **values)
        return found


@pytest.fixture
def nights(control: Control, bills: Bills) -> Nights:
    return Nights(control, bills)


def test_ordinarily_a_catch_up_begins_two_days_before_its_mark(nights: Nights) -> None:
    found = nights.past(6, None).past(1, 3).next()
    assert (found.partitions_from, found.dates) == (TODAY - 4 * DAY, ())


def test_once_a_week_it_finds_a_late_row_in_an_old_partition(nights: Nights) -> None:
    found = nights.past(7, None).past(1, 3).next()
    assert (found.partitions_from, found.dates) == (TODAY - 90 * DAY, (OLD,))
    assert found.lag_days == 30
    again = nights.past(0, 90, lag_days=30).next()
    assert again.partitions_from == TODAY - 31 * DAY, "the margin has grown to that distance"


@pytest.mark.parametrize(("every", "days_back"), [("3", 90), ("4", 4), ("0", 90), ("1.5", 90)])
def test_how_often_is_a_setting(nights: Nights, every: str, days_back: int) -> None:
    found = nights.past(3, 90).past(1, 3).next(RUNNER_CATCH_UP_WIDE_DAYS=every)
    assert found.partitions_from == TODAY - days_back * DAY


def test_a_setting_that_is_no_number_is_refused(nights: Nights) -> None:
    with pytest.raises(UsageProblem, match="RUNNER_CATCH_UP_WIDE_DAYS is 'weekly': set it to a nu"):
        nights.past(1, 3).next(RUNNER_CATCH_UP_WIDE_DAYS="weekly")


@pytest.mark.parametrize(("lag_days", "days_back"), [(1, 4), (30, 32), (400, 92)])
def test_the_margin_is_the_farthest_that_a_row_was_from_its_partition(
    nights: Nights, lag_days: int, days_back: int
) -> None:
    found = nights.past(5, None, lag_days).past(1, 3).next()
    assert found.partitions_from == TODAY - days_back * DAY
    assert (OLD in found.dates) is (days_back > 30)


def test_without_a_mark_all_is_compared(nights: Nights) -> None:
    assert nights.next().partitions_from is None
