"""Catch-up: run only the usage dates whose export has changed since they were loaded."""

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
    """One range and its result: a run's status, REFUSED, NOT READY, or LEFT for the next time."""

    dates: DateRange
    status: str
    run_id: str | None = None
    rows: int | None = None
    error: str | None = None
    is_done: bool = False


@dataclass(frozen=True)
class CatchUp:
    """How the catch-up of one tenant ended. `error`: why it failed, with its exit code."""

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
        """0: done, or an active run has the dates; 1: a run failed; 3: refused; or the error's."""
        if self.error_code:
            return self.error_code
        if any(part.error and part.status not in ("REFUSED", "LEFT") for part in self.parts):
            return 1
        return 3 if any(part.status == "REFUSED" for part in self.parts) else 0


def catch_up(
    context: Context, known: tenants.Known, trigger_by: str, is_dry_run: bool = False
) -> CatchUp:
    """Run the dates that moved, newest first; a range that fails does not end the others.

    A refusal leaves the rest for the next catch-up. The result is a row in x_meta_catch_ups, from
    which the next catch-up starts only if every run completed. Raises WarehouseProblem, and
    Interrupted after a signal.
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
    """The ranges, newest first, joined to as many as the quota allows today; and a note on that."""
    limits = quota.of(store, tenant).limits
    left = min(one.remaining for one in limits if one.resets_at)
    if not left or len(found.ranges) <= left:
        return found.ranges, ()
    fitted = moved.fit(found.ranges, left, found.never, found.failed)
    # Failed dates last, so that they do not use up the quota of the others.
    ranked = sorted(fitted, key=lambda one: (one.first not in found.failed, one.first))
    planned = tuple(reversed(ranked))
    if len(planned) == len(found.ranges):
        return planned, ()
    more = sum(one.days for one in planned) - len(found.dates)
    note = (
        f"The quota allows {left} more runs: {len(found.ranges)} ranges were joined to"
        f" {len(planned)}, which include {more} dates that did not change."
    )
    return planned, (note,)


def _run(context: Context, request: claim.Request, template: templates.Template) -> Part:
    """Run one range."""
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
        error = error or f"the run ended with the status {report.status}"
    return Part(dates, report.status, report.run.id, report.rows, error, is_done)


def _notes(found: Found) -> tuple[str, ...]:
    notes = []
    if found.skipped:
        notes.append(
            f"{in_words(found.skipped)}: skipped, because the export no longer has all rows that"
            " were loaded. `runner run` would replace them with what the export still has; `dbt"
            " build --select gcp_silver_cost+` rebuilds the tables above the loaded bill."
        )
    if found.unread_rows:
        what = "1 row is" if found.unread_rows == 1 else f"{found.unread_rows} rows are"
        notes.append(
            f"{what} in partitions more than a day before the usage date, and no run reads them:"
            " see the check `partitions` of `runner doctor`."
        )
    return tuple(notes)


def _record(store: Store, result: CatchUp, found: Found, pipeline: str, trigger_by: str) -> None:
    """Write the row of a finished catch-up; only a complete one is where the next one starts."""
    store.write(
        sql.ADD_CATCH_UP.format(tenant=result.tenant_id),
        catch_up_id=str(uuid.uuid4()),
        tenant_id=result.tenant_id,
        pipeline_id=pipeline,
        trigger_by=trigger_by,
        checked_at=found.checked_at,
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
