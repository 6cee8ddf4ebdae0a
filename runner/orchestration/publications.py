"""Which run published which table and date: in a run's record, and what is published now."""

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from runner.control import runs_sql
from runner.control.runs import Run
from runner.control.store import Store
from runner.dataset import publications_sql
from runner.dataset.dataset import Dataset
from runner.dates import ALL, DateRange
from runner.errors import RunnerError
from runner.expectations import parsed
from runner.orchestration import standing
from runner.orchestration.standing import Publication
from runner.sql import Row


def of_rows(rows: Iterable[Row]) -> tuple[Publication, ...]:
    """Publications from rows of x_meta_publications, each of one table and date."""
    return tuple(
        _publication(
            {**row, "rows": row["row_count"] or 0},
            row["pipeline_logging_id"],
            row["target_table"],
            DateRange(row["usage_date"], row["usage_date"]),
        )
        for row in rows
    )


def of_record(run_id: str, value: Any) -> tuple[Publication, ...]:
    """The publications in a run's record."""
    return tuple(
        _publication(
            {**one, "published_at": datetime.fromisoformat(one["published_at"]).astimezone(UTC)},
            run_id,
            one["table"],
            DateRange(*(date.fromisoformat(one[end]) for end in ("from_date", "to_date"))),
        )
        for one in parsed(value) or ()
    )


def _publication(one: Row, run_id: str, table: str, dates: DateRange) -> Publication:
    net = parsed(one["net"])
    return Publication(
        run_id,
        table,
        dates.first,
        dates.last,
        rows=one["rows"],
        net=None if net is None else {cur: Decimal(text) for cur, text in net.items()},
        expectations_passed=one["expectations_passed"] or 0,
        read_tables=tuple(parsed(one["read_tables"]) or ()),
        published_at=one["published_at"],
    )


def per_table(published: Iterable[Publication]) -> tuple[Publication, ...]:
    """One run's publications merged to one for each table, with all dates of the run."""
    tables: dict[str, list[Publication]] = {}
    for one in published:
        tables.setdefault(one.table, []).append(one)
    merged = (
        replace(
            parts[0],
            first=min(one.first for one in parts),
            last=max(one.last for one in parts),
            rows=sum(one.rows for one in parts),
            net=_sum([one.net for one in parts]),
            published_at=max(one.published_at for one in parts),
        )
        for parts in tables.values()
    )
    return tuple(sorted(merged, key=lambda one: (one.published_at, one.table)))


def _sum(nets: Iterable[dict[str, Decimal] | None]) -> dict[str, Decimal] | None:
    total: dict[str, Decimal] = {}
    for net in nets:
        if net is None:
            return None
        for currency, amount in net.items():
            total[currency] = total.get(currency, Decimal(0)) + amount
    return total


def as_text(published: Iterable[Publication] | None) -> str | None:
    """Publications of one run as JSON text for its record; None when they are unknown."""
    if published is None:
        return None
    document = [
        {
            "table": one.table,
            "from_date": one.first.isoformat(),
            "to_date": one.last.isoformat(),
            "rows": one.rows,
            "net": None if one.net is None else {cur: f"{sum_:f}" for cur, sum_ in one.net.items()},
            "expectations_passed": one.expectations_passed,
            "read_tables": list(one.read_tables),
            "published_at": one.published_at.isoformat(),
        }
        for one in published
    ]
    return json.dumps(document)


def disagreeing(
    dataset: Dataset, tenant: str, complete: Collection[str], bill: str = ""
) -> tuple[list[Row], set[date]]:
    """The tables that are, on a date, older than a table that they read; and the dates that the
    table `bill` has published.

    Tables older than a run of `complete` are left out: that run built all that runs build.
    """
    statement = publications_sql.DISAGREEING.format(tenant=tenant)
    rows = dataset.read(tenant, statement, from_date=ALL.first, to_date=ALL.last, bill=bill)
    behind = [row for row in rows if row["newer_run"] and row["newer_run"] not in complete]
    return behind, {row["usage_date"] for row in rows if row["target_table"] == bill}


def of_data(dataset: Dataset, tenant: str, complete: Collection[str]) -> list[standing.Standing]:
    """What is published now for all dates, by the tenant's data."""
    statement = publications_sql.PUBLICATIONS.format(tenant=tenant)
    rows = dataset.read(tenant, statement, from_date=ALL.first, to_date=ALL.last)
    return standing.standing(of_rows(rows), complete)


def published_dates(store: Store, run: Run) -> tuple[list[Row], list[standing.Standing]]:
    """The records of the runs that share dates with this one, and what is published by them."""
    rows = _records(store, run)
    complete = {row["pipeline_logging_id"] for row in rows if row["status"] == "COMPLETED"}
    return rows, standing.standing(_recorded(rows), complete, run.dates)


def _records(store: Store, run: Run) -> list[Row]:
    statement = runs_sql.RECORDED_PUBLICATIONS.format(tenant=run.tenant_id)
    return store.read(statement, from_date=run.run_date, to_date=run.to_date)


def _recorded(records: Iterable[Row]) -> Iterator[Publication]:
    for row in records:
        yield from of_record(row["pipeline_logging_id"], row["publications"])


def readers_see_by_record(store: Store, run: Run, is_known: bool) -> str:
    """What readers of a failed run's dates see now, by the records of runs instead of the data.

    `is_known`: whether the run's own publications are known. Never raises RunnerError.
    """
    if not is_known:
        return (
            "What this run published before it ended was not recorded: run"
            f" runner doctor --tenant {run.tenant_id}."
        )
    try:
        published = _recorded(_records(store, run))
    except RunnerError as error:
        return f"What is published could not be read: {error.message}"
    return standing.readers_see(run.id, list(standing.by_date(published, run.dates)))


def unrecorded(rows: Iterable[Row]) -> tuple[str, ...]:
    """The ids of runs whose process was killed before they recorded what they published."""
    return tuple(row["pipeline_logging_id"] for row in rows if row["publications"] is None)
