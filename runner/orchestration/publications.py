"""Which run published which table and date: a run's own record of it, and what stands now."""

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
from runner.errors import RunnerError
from runner.findings import parsed
from runner.orchestration import standing
from runner.orchestration.standing import Publication
from runner.sql import Row

_FIRST, _LAST = date(1970, 1, 1), date(9999, 12, 31)


def of_rows(rows: Iterable[Row]) -> tuple[Publication, ...]:
    """Rows of x_meta_publications, each of one table and date, as they are."""
    return tuple(
        Publication(
            run_id=row["pipeline_logging_id"],
            table=row["target_table"],
            first=row["usage_date"],
            last=row["usage_date"],
            rows=row["row_count"] or 0,
            net=_net(row["net"]),
            expectations_passed=row["expectations_passed"] or 0,
            read_tables=tuple(parsed(row["read_tables"]) or ()),
            published_at=row["published_at"],
        )
        for row in rows
    )


def per_table(published: Iterable[Publication]) -> tuple[Publication, ...]:
    """One run's publications as one of each table: it publishes all its dates of one, or none."""
    tables: dict[str, Publication] = {}
    for one in published:
        sum_ = tables.get(one.table)
        if sum_ is None:
            tables[one.table] = one
            continue
        tables[one.table] = replace(
            sum_,
            first=min(sum_.first, one.first),
            last=max(sum_.last, one.last),
            rows=sum_.rows + one.rows,
            net=_added(sum_.net, one.net),
            published_at=max(sum_.published_at, one.published_at),
        )
    return tuple(sorted(tables.values(), key=lambda one: (one.published_at, one.table)))


def document(published: Iterable[Publication]) -> list[dict[str, Any]]:
    """Publications of one run as its record and the API have them."""
    return [
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


def disagreeing(
    dataset: Dataset, tenant: str, complete: Collection[str], bill: str = ""
) -> tuple[list[Row], set[date]]:
    """Tables that are, on a date, older than one that they read, by the tenant's data.

    Without those behind a run of `complete`, which built all that runs build: the table is none of
    it. And the dates that the table `bill` has published.
    """
    statement = publications_sql.DISAGREEING.format(tenant=tenant)
    rows = dataset.read(tenant, statement, from_date=_FIRST, to_date=_LAST, bill=bill)
    behind = [row for row in rows if row["newer_run"] and row["newer_run"] not in complete]
    return behind, {row["usage_date"] for row in rows if row["target_table"] == bill}


def of_data(dataset: Dataset, tenant: str, complete: Collection[str]) -> list[standing.Standing]:
    """What stands for all dates by the tenant's data."""
    statement = publications_sql.PUBLICATIONS.format(tenant=tenant)
    rows = dataset.read(tenant, statement, from_date=_FIRST, to_date=_LAST)
    return standing.standing(of_rows(rows), complete)


def of_record(run_id: str, value: Any) -> tuple[Publication, ...]:
    """The publications in a run's record."""
    return tuple(
        Publication(
            run_id=run_id,
            table=one["table"],
            first=date.fromisoformat(one["from_date"]),
            last=date.fromisoformat(one["to_date"]),
            rows=one["rows"],
            net=_net(one["net"]),
            expectations_passed=one["expectations_passed"],
            read_tables=tuple(one["read_tables"]),
            published_at=datetime.fromisoformat(one["published_at"]).astimezone(UTC),
        )
        for one in parsed(value) or ()
    )


def as_text(published: Iterable[Publication] | None) -> str | None:
    """Publications as JSON text for the record; None where they are not known."""
    return None if published is None else json.dumps(document(published))


def of_records(rows: Iterable[Row], first: date, last: date) -> list[standing.Standing]:
    """What stands for the dates by the records of the runs that share some."""
    records = list(rows)
    complete = {row["pipeline_logging_id"] for row in records if row["status"] == "COMPLETED"}
    return standing.standing(_recorded(records), complete, first, last)


def _recorded(records: Iterable[Row]) -> Iterator[Publication]:
    for row in records:
        yield from of_record(row["pipeline_logging_id"], row["publications"])


def published_dates(store: Store, run: Run) -> tuple[list[Row], list[standing.Standing]]:
    """The records of the runs that share dates with this one, and what stands by them."""
    rows = _records(store, run)
    return rows, of_records(rows, run.run_date, run.to_date)


def _records(store: Store, run: Run) -> list[Row]:
    return store.read(
        runs_sql.RECORDED_PUBLICATIONS.format(tenant=run.tenant_id),
        from_date=run.run_date,
        to_date=run.to_date,
    )


def readers_see_by_record(store: Store, run: Run, is_known: bool) -> str:
    """What readers of a failed run's dates see now, by the records of runs instead of the data.

    `is_known`: whether it is known what the run itself published. Never raises RunnerError.
    """
    if not is_known:
        return (
            "It is not recorded what this run published before it ended: see"
            f" runner doctor --tenant {run.tenant_id}."
        )
    try:
        published = _recorded(_records(store, run))
    except RunnerError as error:
        return f"It could not be looked up: {error.message}"
    return standing.readers_see(
        run.id, list(standing.by_date(published, run.run_date, run.to_date))
    )


def unrecorded(rows: Iterable[Row]) -> tuple[str, ...]:
    """Runs that died without recording what they published."""
    return tuple(row["pipeline_logging_id"] for row in rows if row["publications"] is None)


def _net(value: Any) -> dict[str, Decimal] | None:
    amounts = parsed(value)
    return None if amounts is None else {cur: Decimal(text) for cur, text in amounts.items()}


def _added(
    one: dict[str, Decimal] | None, other: dict[str, Decimal] | None
) -> dict[str, Decimal] | None:
    if one is None or other is None:
        return None
    return {cur: one.get(cur, Decimal(0)) + other.get(cur, Decimal(0)) for cur in {**one, **other}}
