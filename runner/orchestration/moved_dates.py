"""The usage dates of a tenant that moved: whose export has changed since they were loaded."""

import json
from collections.abc import Collection, Iterable
from dataclasses import astuple, dataclass
from datetime import UTC, date, datetime

from runner import dates
from runner.context import Context
from runner.control import runs, tenants
from runner.control.store import Store
from runner.dates import ALL, DateRange
from runner.names import EARLIEST
from runner.orchestration import catch_up_sql as sql
from runner.orchestration import landings, moved, publications
from runner.orchestration.comparison import Comparison
from runner.pipelines import templates
from runner.sql import Row


@dataclass(frozen=True)
class Found:
    """The dates that moved. `partitions_from` is None when partitions of any age were compared.

    `dates` are to be run, in `ranges`, newest first. `skipped` have moved and are not run, since
    the export has dropped some of their rows; `never`: all such dates, moved or not. `failed`:
    dates whose newest run failed. `stopped_at`: the time of the export's newest row, if too old.
    `lag_days`: the most days by which a row was exported after its partition.
    """

    checked_at: datetime
    partitions_from: date | None
    newest_partition: date | None
    exports: str
    dates: tuple[date, ...]
    ranges: tuple[DateRange, ...]
    skipped: tuple[date, ...]
    unread_rows: int
    never: frozenset[date]
    failed: frozenset[date]
    stopped_at: datetime | None
    lag_days: int


@dataclass(frozen=True)
class _Before:
    """The state before the comparison: the tenant's ended runs, newest first; the landing's runs
    and its last time; the last complete catch-up since the exports were changed."""

    ended: tuple[Row, ...]
    landed: tuple[Row, ...]
    landed_at: datetime | None
    mark: Row | None


def find(context: Context, known: tenants.Known, template: templates.Template) -> Found:
    """Compare the export with what was loaded from it, by three columns.

    Compared are: of a table on BigQuery, the newest partitions, and once in
    RUNNER_CATCH_UP_WIDE_DAYS (7) days those of 90 days; of a landing, the dates that its runs
    completed since the last catch-up and those that the tenant never ran; of files, all dates.
    All dates of any export, if there was no complete catch-up since the tenant's exports were
    changed, or the bill lacks a date that a run completed. Dates whose layers disagree are
    included. On DuckDB it waits for the process that has the tenant's file open.
    """
    tenant, is_landed = known.id, bool(known.landings)
    exports = json.dumps([astuple(one) for one in known.exports])
    checked_at = datetime.now(UTC)
    before = _before(context.store, known, template.pipeline_of(tenant), exports)
    mark, since = before.mark, None
    if mark and mark["newest_partition"] and context.dataset.prunes_exports and not is_landed:
        # Not from a partition in the future: no partition would be newer for a long time.
        since = min(mark["newest_partition"], mark["checked_at"].date())
        since -= moved.margin(mark["lag_days"])
        every = min(context.settings.number("RUNNER_CATCH_UP_WIDE_DAYS", "7"), 60)
        wide = mark["wide_checked_at"]
        if not wide or (checked_at.date() - wide.date()).days >= every:
            since = min(since, checked_at.date() - moved.WIDE)
    ends = moved.last_ends(
        moved.Ended(row["status"] == "COMPLETED", DateRange(row["run_date"], row["to_date"]))
        for row in before.ended
    )
    # A table that a completed run did not build is not built by runs: it would always disagree.
    complete = {row["pipeline_logging_id"] for row in before.ended if row["status"] == "COMPLETED"}
    echoed: set[str] = set()

    def wait(what: str) -> None:
        if what not in echoed:
            echoed.add(what)
            context.echo(what)
        context.stop.check()

    with context.dataset.exclusive(tenant, wait):
        bill = landings.bill_of(template)
        has_bill = context.dataset.has_table(tenant, bill)
        behind, published = publications.disagreeing(context.dataset, tenant, complete, bill)
        to_rerun = {row["usage_date"] for row in behind}
        to_rerun |= {day for day, completed in ends.items() if not completed}
        # A bill that was deleted or restored from a backup lacks dates: then all is compared.
        lost = {day for day in ends if ends[day] and day not in published}
        to_rerun |= lost
        if lost or not has_bill:
            mark = since = None
        comparison = Comparison(
            context.dataset, tenant, bill if has_bill else "", since, _refs(context.store, known)
        )
        never_ran: set[date] = set()
        exported: DateRange | None = ALL
        if mark and is_landed:
            never_ran = _never_ran(before.landed, ends)
            landed = _landed_since(mark["checked_at"] - moved.MARGIN, before.landed)
            exported = _hull(to_rerun | never_ran | landed)
        loaded = comparison.loaded_dates(to_rerun) if since else exported
        rows = comparison.rows(loaded, exported) if loaded and exported else []
        days = to_rerun | never_ran | {row["usage_date"] for row in rows if row["has_moved"]}
        days |= _never_loaded(rows, since, ends)
        hull = _hull(days)
        if loaded and any(
            is_landed and row["lacks_rows"] and row["usage_date"] in days for row in rows
        ):
            # Rows are missing: all rows of the landing show whether the export had dropped them.
            rows = comparison.rows(loaded, ALL)
        if loaded and hull and any(r["has_older_rows"] and r["usage_date"] in hull for r in rows):
            # Late rows of old dates: check that their export still has the other rows, also of the
            # dates in between, which a joined range would run too.
            rows = comparison.rows(loaded, ALL, oldest=hull.first - dates.DAY)
    never = {row["usage_date"] for row in rows if row["has_expired"]}
    skipped = days & never
    # Dates that failed the last time are run separately, so that others do not fail with them.
    failed = {day for day in days - skipped if not ends.get(day, True)}
    if is_landed:
        # The landing's own catch-up checks its exports, for all its readers; here it is checked
        # whether the landing itself still runs.
        stopped_at = moved.is_late(before.landed_at, ends, checked_at)
    else:
        newest_rows = {row["usage_date"]: row["newest_export_time"] for row in rows}
        stopped_at = moved.has_stopped(newest_rows, checked_at)
        if stopped_at:
            charged = {row["usage_date"] for row in rows if row["exported_rows"]}
            days -= failed
            failed = moved.failing(failed, charged, stopped_at, checked_at) - never
            days |= failed
    ranges = dates.ranges(days - skipped - failed)
    ranges += dates.ranges(failed, moved.LONGEST_FAILED_DAYS)
    parts = (row["newest_partition"] for row in rows)
    newest = max(filter(None, parts), default=mark["newest_partition"] if mark else None)
    return Found(
        checked_at=checked_at,
        partitions_from=since,
        newest_partition=min(newest, checked_at.date()) if newest else None,
        exports=exports,
        dates=tuple(sorted(days - skipped)),
        ranges=tuple(sorted(ranges, reverse=True)),
        skipped=tuple(sorted(skipped)),
        unread_rows=sum(row["unread_rows"] for row in rows),
        never=frozenset(never),
        failed=frozenset(failed),
        stopped_at=stopped_at,
        lag_days=max((row["lag_days"] or 0 for row in rows), default=0),
    )


def _before(store: Store, known: tenants.Known, pipeline: str, exports: str) -> _Before:
    """Read the state before the comparison; dead runs are closed first, so that they count."""
    tenant = known.id
    landing = next(iter(known.landings), "")  # a landing is a tenant's only export
    statement = sql.RUNS_AND_MARK.format(tenant=tenant, dataset=landing or tenant)
    landed_by = landings.pipeline_of(landing) if landing else ""

    def read() -> tuple[list[Row], list[Row]]:
        wide_from = datetime.now(UTC).date() - moved.WIDE
        rows = store.read(
            statement, pipeline_id=pipeline, landing_pipeline_id=landed_by, wide_from=wide_from
        )
        return rows, [row for row in rows if row["tenant_id"] == tenant]

    rows, own = read()
    if runs.end_dead(store, tenant, [r for r in own if r["status"] in runs.ACTIVE]):
        rows, own = read()
    ended = (r for r in own if r["pipeline_id"] == pipeline and r["status"] not in runs.ACTIVE)
    landed = [row for row in rows if row["tenant_id"] not in (None, tenant)]
    times = [row["end_time"] for row in landed] + [rows[0]["landing_checked_at"]]
    mark = rows[0] if rows[0]["exports"] == exports else None
    if mark and known.exports_updated_at and mark["checked_at"] <= known.exports_updated_at:
        mark = None
    return _Before(tuple(ended), tuple(landed), max(filter(None, times), default=None), mark)


def _landed_since(since: datetime, landed: Iterable[Row]) -> set[date]:
    """The dates of the landing's runs that completed since then.

    `since`: some time before the last catch-up, because an end may be written hours later.
    """
    return {
        day
        for row in landed
        if row["end_time"] is None or row["end_time"] >= since
        for day in DateRange(row["run_date"], row["to_date"])
    }


def _never_ran(landed: Iterable[Row], ends: dict[date, bool]) -> set[date]:
    """The landed dates after the tenant's first run date that no run of the tenant ever had."""
    first = min(ends, default=date.max)
    days = _landed_since(datetime.min.replace(tzinfo=UTC), landed)
    return {day for day in days if day > first and day not in ends}


def _refs(store: Store, known: tenants.Known) -> set[str]:
    """The ids of the exports from which rows may have been loaded, also through a landing."""
    landed = (one for name in known.landings for one in tenants.exports(store, name))
    return {one.id for one in (*known.exports, *landed)}


def has_stopped(known: tenants.Known, newest: datetime) -> str:
    """The error for a `stopped_at`: the time of the newest row or of the landing's last run."""
    for landing in known.landings:
        return (
            f"The landing {landing}, which {known.id} reads, has not been run since"
            f" {newest:%Y-%m-%d %H:%M} UTC: run `runner catch-up --tenant {landing}` every night."
        )
    return (
        f"The export of {known.id} has stopped: its newest row is from {newest:%Y-%m-%d %H:%M} UTC."
        " Check in the Cloud console, under Billing > Billing export, that it is still enabled."
    )


def _never_loaded(rows: Iterable[Row], since: date | None, ends: dict[date, bool]) -> set[date]:
    """Dates without a charge that no run ever had; a run of them records that they are loaded."""
    exported = [
        row["usage_date"] for row in rows if row["exported_rows"] and row["usage_date"] >= EARLIEST
    ]
    if not exported:
        return set()
    first = max(since, min(exported)) if since else min(exported)
    return moved.gaps(first, max(exported), {*ends, *(row["usage_date"] for row in rows)})


def _hull(days: Collection[date]) -> DateRange | None:
    return DateRange(min(days), max(days)) if days else None
