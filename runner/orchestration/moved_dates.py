"""Which usage dates of a tenant moved since they were loaded."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from runner import dates
from runner.context import Context
from runner.control import runs, tenants
from runner.control.store import Store
from runner.dataset.dataset import Dataset
from runner.dates import DateRange
from runner.names import EARLIEST
from runner.orchestration import catch_up_sql as sql
from runner.orchestration import landings, moved, publications
from runner.pipelines import templates
from runner.sql import Row

# So far before the newest partition that was seen, the next look begins.
MARGIN = timedelta(days=2)

_BEGINNING, _END = date(1970, 1, 1), date(9999, 12, 31)


@dataclass(frozen=True)
class Found:
    """What a look found. `partitions_from` is None when partitions of any age were looked at.

    `dates` are to be run, in `ranges`, newest first; `left_alone` have moved and are not, since
    the export has dropped rows of theirs. `never`: all of which it has, moved or not. `failed`:
    those of the dates whose newest run failed. `stopped_at`: the export's newest row, if it is too
    old.
    """

    looked_at: datetime
    partitions_from: date | None
    newest_partition: date | None
    exports: str
    dates: tuple[date, ...]
    ranges: tuple[DateRange, ...]
    left_alone: tuple[date, ...] = ()
    unread_rows: int = 0
    never: frozenset[date] = frozenset()
    failed: frozenset[date] = frozenset()
    stopped_at: datetime | None = None


@dataclass(frozen=True)
class _Before:
    """What is known before a look: the tenant's runs that ended, newest first, those that landed
    what it reads and when the landing was last at it, and the last complete catch-up since its
    exports were written."""

    ended: tuple[Row, ...]
    landed: tuple[Row, ...]
    landed_at: datetime | None
    mark: Row | None


def look(context: Context, known: tenants.Known, template: templates.Template) -> Found:
    """Compare what the export has with what was loaded, three columns of both.

    Of an export on BigQuery the newest partitions; of a landing the dates that its runs completed
    since the last look, and those that the tenant never ran; of files all, for their labels bound
    nothing. All of any export when there was no complete catch-up since the tenant's exports were
    written, or the bill has lost a date that a run completed. Dates whose layers disagree are
    among them. On DuckDB it waits for who has the tenant's file.
    """
    tenant, is_landed = known.id, bool(known.landings)
    pipeline = pipeline_of(template, tenant)
    exports = json.dumps(
        [
            [one.ref, one.billing_accounts, one.projects, one.has_unallocated]
            for one in known.exports
        ]
    )
    looked_at = datetime.now(UTC)
    before = _before(context.store, known, pipeline, exports)
    mark, since = before.mark, None
    if mark and mark["newest_partition"] and context.dataset.prunes_exports and not is_landed:
        # Never by a partition that was yet to come then: nothing is newer for years.
        since = min(mark["newest_partition"], mark["looked_at"].date()) - MARGIN
    ends = moved.last_ends(
        moved.Ended(row["status"] == "COMPLETED", DateRange(row["run_date"], row["to_date"]))
        for row in before.ended
    )
    said: set[str] = set()

    def wait(what: str) -> None:
        if what not in said:
            said.add(what)
            context.echo(what)
        context.stop.check()

    with context.dataset.exclusive(tenant, wait):
        bill = landings.bill_of(template)
        has_bill = context.dataset.has_table(tenant, bill)
        # A complete run that left a table behind does not build it: it would be behind for ever.
        complete = {
            row["pipeline_logging_id"] for row in before.ended if row["status"] == "COMPLETED"
        }
        behind, published = publications.disagreeing(context.dataset, tenant, complete, bill)
        again = {row["usage_date"] for row in behind}
        again |= {day for day, completed in ends.items() if not completed}
        # A bill that was deleted, or put back from a copy, has lost dates: all is to be looked at.
        lost = {day for day in ends if ends[day] and day not in published}
        again |= lost
        if lost or not has_bill:
            mark = since = None
        first, last = _BEGINNING, _END
        never_ran: set[date] = set()
        if mark and is_landed:
            never_ran = _never_ran(before.landed, ends)
            days = again | never_ran | _landed_since(mark["looked_at"] - MARGIN, before.landed)
            first, last = min(days, default=_END), max(days, default=_BEGINNING)
        exported = _exported(context.dataset, tenant, since or _BEGINNING, _END, first, last)
        if since:
            first = min([*exported, *again, since - dates.DAY])
        copied = _copied(context.dataset, tenant, bill, first, last) if has_bill else {}
        days = again | moved.differing(exported, copied, since, context.dataset.prunes_exports)
        days |= never_ran | _never_loaded(exported, copied, since, ends)
        if is_landed and any({*copied.get(day, {})} - {*exported.get(day, {})} for day in days):
            # Rows are gone: all that the landing has tells whether the export had dropped them.
            exported = _exported(context.dataset, tenant, _BEGINNING, _END, _BEGINNING, _END)
        first, last = min(days, default=_END), max(days, default=_BEGINNING)
        loaded = (parts for day, parts in copied.items() if first <= day <= last)
        if since and any(p.partition and p.partition < since for parts in loaded for p in parts):
            # Late rows of old dates: whether their export still has the others, and those of the
            # dates between, which a joined range would run as well.
            older = _exported(context.dataset, tenant, first - dates.DAY, since, first, last)
            exported = {
                day: {**exported.get(day, {}), **older.get(day, {})} for day in {*exported, *older}
            }
        refs = _refs(context.store, known, exported, copied)
        never = moved.forgotten({*days, *copied}, exported, copied, refs)
    left_alone = days & never
    # What failed the last time goes apart: it may fail again, and is not to take others with it.
    failed = {day for day in days - left_alone if not ends.get(day, True)}
    ranges = dates.ranges(days - left_alone - failed)
    ranges += dates.ranges(failed, moved.LONGEST_FAILED_DAYS)
    parts = {source.partition for held in exported.values() for source in held}
    newest = max(filter(None, parts), default=mark["newest_partition"] if mark else None)
    if newest:
        newest = min(newest, looked_at.date())
    return Found(
        looked_at,
        since,
        newest,
        exports,
        tuple(sorted(days - left_alone)),
        tuple(sorted(ranges, reverse=True)),
        tuple(sorted(left_alone)),
        moved.unread_rows(exported, context.dataset.prunes_exports),
        frozenset(never),
        frozenset(failed),
        # Of a landing the landing's own catch-up judges the export, once for all who read it: here
        # it is whether the landing itself still runs.
        moved.is_late(before.landed_at, ends, looked_at)
        if is_landed
        else moved.has_stopped(exported, copied, looked_at),
    )


def _before(store: Store, known: tenants.Known, pipeline: str, exports: str) -> _Before:
    """What is known before the look; dead runs are closed first, so that they are known, too."""
    tenant = known.id
    values = {"pipeline_id": pipeline}
    statement = sql.BEFORE_A_LOOK.format(tenant=tenant)
    for landing in known.landings[:1]:  # a tenant that reads one has no other export
        statement = sql.BEFORE_A_LOOK_AT_A_LANDING.format(tenant=tenant, dataset=landing)
        values["landing_pipeline_id"] = landings.pipeline_of(landing)

    def read() -> tuple[list[Row], list[Row]]:
        rows = store.read(statement, **values)
        return rows, [row for row in rows if row["tenant_id"] == tenant]

    rows, own = read()
    if runs.end_dead(store, tenant, [r for r in own if r["status"] in runs.ACTIVE]):
        rows, own = read()
    ended = (r for r in own if r["pipeline_id"] == pipeline and r["status"] not in runs.ACTIVE)
    landed = [row for row in rows if row["tenant_id"] not in (None, tenant)]
    times = [row["end_time"] for row in landed] + [rows[0].get("landing_looked_at")]
    mark = rows[0] if rows[0]["exports"] == exports else None
    if mark and known.exports_updated_at and mark["looked_at"] <= known.exports_updated_at:
        mark = None
    return _Before(tuple(ended), tuple(landed), max(filter(None, times), default=None), mark)


def _landed_since(moment: datetime, landed: Iterable[Row]) -> set[date]:
    """The dates of the landing's runs that completed since then.

    A row's end may be written some hours after it, so the moment is before the last look.
    """
    return {
        day
        for row in landed
        if row["end_time"] is None or row["end_time"] >= moment
        for day in DateRange(row["run_date"], row["to_date"])
    }


def _never_ran(landed: Iterable[Row], ends: dict[date, bool]) -> set[date]:
    """The landed dates since the tenant's first that no run of the tenant ever had."""
    first = min(ends, default=_END)
    days = _landed_since(datetime.min.replace(tzinfo=UTC), landed)
    return {day for day in days if day > first and day not in ends}


def _refs(store: Store, known: tenants.Known, exported: moved.Held, copied: moved.Held) -> set[str]:
    """The exports that the loaded rows may be from: of a landing those that it lands."""
    refs = {one.id for one in known.exports}
    seen, held = (
        {source.export for parts in rows.values() for source in parts}
        for rows in (exported, copied)
    )
    if held <= {*refs, *seen}:
        return refs
    for name in known.landings:
        refs |= {one.id for one in tenants.exports(store, name)}
    return refs


def has_stopped(known: tenants.Known, newest: datetime) -> str:
    for landing in known.landings:
        return (
            f"The landing {landing}, which {known.id} reads, has not been run since"
            f" {newest:%Y-%m-%d %H:%M} UTC: run `runner catch-up --tenant {landing}` every night."
        )
    return (
        f"The export of {known.id} has stopped: its newest row is of {newest:%Y-%m-%d %H:%M} UTC."
        " See in the Cloud console, Billing, Billing export, whether it is still on."
    )


def _exported(
    dataset: Dataset, tenant: str, since: date, before: date, first: date, last: date
) -> moved.Held:
    """The rows of the export by date, of partitions `since` until before `before`."""
    if first > last:
        return {}
    statement = sql.EXPORTED_ROWS.format(tenant=tenant)
    return _held(
        dataset.read(
            tenant,
            statement,
            since=_midnight(since),
            before=_midnight(before),
            first_moment=_midnight(first),
            end_moment=_midnight(min(last, _END - dates.DAY) + dates.DAY),
        )
    )


def _copied(dataset: Dataset, tenant: str, bill: str, first: date, last: date) -> moved.Held:
    """What was loaded of these dates."""
    if first > last:
        return {}
    rows_of = {"billing_cost_daily": sql.LOADED_ROWS, "export_landing": sql.LANDED_ROWS}
    statement = rows_of[bill].format(tenant=tenant)
    return _held(dataset.read(tenant, statement, first_date=first, last_date=last))


def _held(rows: list[Row]) -> moved.Held:
    held: dict[date, dict[moved.Source, moved.Rows]] = {}
    for row in rows:
        if row["usage_date"]:
            source = moved.Source(row["export_ref"], row["partition_date"])
            counted = (row["charge_rows"], row["newest_export_time"])
            held.setdefault(row["usage_date"], {})[source] = counted
    return held


def _never_loaded(
    exported: moved.Held, copied: moved.Held, since: date | None, ends: dict[date, bool]
) -> set[date]:
    """Dates without a charge that no run ever had: only a run tells them from unknown ones."""
    days = [day for day in exported if day >= EARLIEST]
    if not days:
        return set()
    first = max(since, min(days)) if since else min(days)
    return moved.gaps(first, max(days), {*exported, *copied, *ends})


def pipeline_of(template: templates.Template, tenant: str) -> str:
    return templates.fill(template.pipeline_id, {"tenant_id": tenant})


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
