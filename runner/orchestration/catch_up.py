"""Catch-up: run just the usage dates that moved since they were loaded."""

import json
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from runner.context import Context
from runner.control import claim, quota, runs, tenants
from runner.control.store import Store
from runner.dates import DateRange, in_words, ranges
from runner.errors import Interrupted, Refused
from runner.orchestration import catch_up_sql as sql
from runner.orchestration import claiming, landings, moved, moved_dates
from runner.orchestration.moved_dates import Found
from runner.orchestration.run import run_dates
from runner.pipelines import templates


@dataclass(frozen=True)
class Part:
    """One range and what became of it: a run's status, or REFUSED, or LEFT for the next time."""

    dates: DateRange
    status: str
    run_id: str | None = None
    rows: int | None = None
    error: str | None = None
    is_done: bool = False


@dataclass(frozen=True)
class CatchUp:
    """How the catch-up of one tenant ended. `error`: why it failed, if it did, with its code."""

    tenant_id: str
    found: Found | None
    parts: tuple[Part, ...] = ()
    notes: tuple[str, ...] = ()
    error: str | None = None
    error_code: int = 0

    @property
    def is_complete(self) -> bool:
        return self.found is not None and not self.error and all(p.is_done for p in self.parts)

    @property
    def exit_code(self) -> int:
        """0 done, or an active run has the dates; 1 a run failed; 3 refused; else the error's."""
        if self.error_code:
            return self.error_code
        if any(part.error and part.status not in ("REFUSED", "LEFT") for part in self.parts):
            return 1
        return 3 if any(part.status == "REFUSED" for part in self.parts) else 0


def catch_up(
    context: Context, known: tenants.Known, trigger_by: str, is_dry_run: bool = False
) -> CatchUp:
    """Run again what moved, newest first; a range that fails does not end the others.

    A refusal leaves the rest for the next time. What was found is a
    row in x_meta_catch_ups, and moves the mark only when every run completed. Raises
    WarehouseProblem, and Interrupted when stopped.
    """
    tenant, template = known.id, templates.load(known.pipeline)
    found = moved_dates.find(context, known, template)
    result = CatchUp(tenant, found, notes=_notes(found))
    if found.stopped_at:
        result = replace(
            result, error=moved_dates.has_stopped(known, found.stopped_at), error_code=1
        )
    if is_dry_run:
        left = tuple(Part(dates, "LEFT") for dates in found.ranges)
        return replace(result, parts=left)
    planned: tuple[DateRange, ...] = ()
    if found.ranges:
        planned, note = _within_quota(context.store, tenant, found)
        result = replace(result, notes=result.notes + note)
    parts: list[Part] = []
    for dates in planned:
        context.stop.check()
        if parts and parts[-1].status == "REFUSED":
            parts.append(Part(dates, "LEFT", error="left for the next catch-up"))
            continue
        trigger = claim.Trigger("catch-up", trigger_by)
        request = claiming.request_of(context.settings, known, template, dates, trigger)
        parts.append(_run(context, request, template))
    result = replace(result, parts=tuple(parts))
    _record(context.store, result, found, template.pipeline_of(tenant), trigger_by)
    return result


def _within_quota(
    store: Store, tenant: str, found: Found
) -> tuple[tuple[DateRange, ...], tuple[str, ...]]:
    """The ranges, newest first, joined to no more than may run today; and what was done to them."""
    limits = quota.of(store, tenant).limits
    left = min(one.remaining for one in limits if one.resets_at)
    if not left or len(found.ranges) <= left:
        return found.ranges, ()
    fitted = moved.fit(found.ranges, left, found.never, found.failed)
    # What failed goes last: it is not to cost the others the runs that are left.
    ranked = sorted(fitted, key=lambda one: (one.first not in found.failed, one.first))
    planned = tuple(reversed(ranked))
    if len(planned) == len(found.ranges):
        return planned, ()
    more = sum(one.days for one in planned) - len(found.dates)
    note = (
        f"{len(found.ranges)} ranges and {left} runs left: joined to {len(planned)}, which runs"
        f" {more} dates more than moved."
    )
    return planned, (note,)


def _run(context: Context, request: claim.Request, template: templates.Template) -> Part:
    """One range through an ordinary run."""
    dates = request.dates
    try:
        report = run_dates(context, request, template)
    except landings.DatesNotLanded as problem:
        return Part(dates, "NOT READY", error=problem.message)
    except Refused as refusal:
        run_id = refusal.run.id if isinstance(refusal.run, runs.Run) else None
        return Part(dates, "REFUSED", run_id, error=refusal.message)
    if report.interrupted:
        raise Interrupted(report.interrupted)
    is_done = report.status == "COMPLETED" and report.covered
    error = report.outcome.error if report.outcome else None
    if not is_done and not report.run.deduplicated:
        error = error or f"the run ended {report.status}"
    return Part(dates, report.status, report.run.id, report.rows, error, is_done)


def _notes(found: Found) -> tuple[str, ...]:
    notes = []
    if found.left_alone:
        notes.append(
            f"{in_words(found.left_alone)}: skipped, for the export no longer has all that"
            " was loaded of it. `runner run` would replace it with what the export still has; `dbt"
            " build --select gcp_silver_cost+` builds the layers above the loaded bill again."
        )
    if found.unread_rows:
        what = "row stands" if found.unread_rows == 1 else "rows stand"
        notes.append(
            f"{found.unread_rows} {what} in partitions more than a day before the usage, which no"
            " run of that date reads: see `runner doctor`, partitions."
        )
    return tuple(notes)


def _record(store: Store, result: CatchUp, found: Found, pipeline: str, trigger_by: str) -> None:
    """One row per finished catch-up; its mark counts when it is complete."""
    store.write(
        sql.ADD_CATCH_UP.format(tenant=result.tenant_id),
        catch_up_id=str(uuid.uuid4()),
        tenant_id=result.tenant_id,
        pipeline_id=pipeline,
        trigger_by=trigger_by,
        looked_at=found.looked_at,
        ended_at=datetime.now(UTC),
        partitions_from=found.partitions_from,
        newest_partition=found.newest_partition,
        partition_lag_days=found.lag_days,
        exports=found.exports,
        moved_dates=len(found.dates),
        moved_ranges=json.dumps([[str(r.first), str(r.last)] for r in ranges(found.dates)]),
        run_ids=json.dumps([part.run_id for part in result.parts if part.run_id]),
        is_complete=result.is_complete,
    )
