"""What people see: progress while dbt works, summaries and tables after it."""

import csv
import io
import json
import sys
import time
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from runner.control.accounts import Credentials
from runner.control.keys import Key
from runner.control.quota import Quota
from runner.control.runs import Run
from runner.control.tenants import Export, Tenant
from runner.dates import in_words
from runner.doctor.check import CheckResult
from runner.engine.job import Event
from runner.errors import Refused
from runner.orchestration import batch
from runner.orchestration.catch_up import CatchUp
from runner.orchestration.estimate import Estimate
from runner.orchestration.report import Report
from runner.orchestration.standing import Standing, standing_lines
from runner.orchestration.threads import Done
from runner.sql import Row
from runner.text import as_json as as_json
from runner.text import money


def as_csv(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A header and a line for each row; money exact, times as ISO 8601, nothing for null."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(["" if value is None else _text(value) for value in row] for row in rows)
    return out.getvalue()


def query_result(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A table for people, numbers to the right, and how many rows it has."""
    numbers = {
        n for n in range(len(names)) if any(isinstance(row[n], int | Decimal) for row in rows)
    }
    cells = [["-" if value is None else _text(value) for value in row] for row in rows]
    count = f"{len(rows)} row{'' if len(rows) == 1 else 's'}"
    return "\n".join([*columns([names, *cells], tuple(numbers)), f"({count})"])


def _text(value: Any) -> str:
    if isinstance(value, Decimal):
        return money(value)
    if isinstance(value, datetime | date):
        return value.isoformat(" ") if isinstance(value, datetime) else value.isoformat()
    return json.dumps(value, default=str) if isinstance(value, dict | list) else str(value)


def report_document(report: Report) -> dict[str, Any]:
    """A run as `run --json` prints it: the keys of DESIGN 6, and totals, tests and warnings."""
    run = report.run
    return {
        "pipeline_logging_id": run.id,
        "pipeline_id": run.pipeline_id,
        "tenant_id": run.tenant_id,
        "status": report.status,
        "run_date": run.run_date,
        "to_date": run.to_date,
        "rows": report.rows,
        "duration_ms": report.duration_ms,
        "deduplicated": run.deduplicated,
        "covered": report.covered,
        "error": report.outcome.error if report.outcome else None,
        "totals": [
            {
                "currency": total.currency,
                "rows": total.rows,
                "cost": total.cost,
                "credits": total.credits,
                "net": total.net,
            }
            for total in report.totals
        ],
        "tests": dict(zip(("passed", "warned", "failed"), test_counts(report), strict=True)),
        "warnings": list(report.warnings),
    }


def parts_document(tenant: str, reports: Sequence[Report]) -> dict[str, Any]:
    """The runs of a range in several parts as `run --json` prints them; none: all were loaded."""
    return {
        "tenant_id": tenant,
        "status": reports[-1].status if reports else "COMPLETED",
        "rows": sum(report.rows for report in reports),
        "runs": [report_document(report) for report in reports],
    }


def all_document(ended: Sequence[Done[list[Report]]]) -> dict[str, Any]:
    """What became of every tenant, as `run --all-tenants --json` prints it."""
    statuses = [batch.status_of(done) for done in ended]
    return {
        "statuses": {status: statuses.count(status) for status in sorted(set(statuses))},
        "tenants": [
            {
                "tenant_id": done.name,
                "status": status,
                "error": batch.message_of(done) or None,
                "runs": [report_document(report) for report in done.result or []],
            }
            for done, status in zip(ended, statuses, strict=True)
        ],
    }


def all_tenants(ended: Sequence[Done[list[Report]]]) -> str:
    """A line a tenant, and how many ended how."""
    rows = [("tenant", "status", "rows", "net", "seconds", "message")]
    statuses = [batch.status_of(done) for done in ended]
    for done, status in zip(ended, statuses, strict=True):
        reports = done.result or []
        net: dict[str, Decimal] = {}
        for total in (total for report in reports for total in report.totals):
            net[total.currency] = net.get(total.currency, Decimal(0)) + total.net
        rows.append(
            (
                done.name,
                status,
                f"{sum(report.rows for report in reports):,}",
                ", ".join(f"{money(amount)} {currency}" for currency, amount in net.items()),
                f"{sum(report.duration_ms for report in reports) / 1000:.1f}",
                _short(batch.message_of(done), 80),
            )
        )
    counts = ", ".join(f"{statuses.count(name)} {name}" for name in sorted(set(statuses)))
    return "\n".join([*columns(rows, right=(2, 4)), f"{len(ended)} tenants: {counts or 'none'}"])


def refusal_document(refusal: Refused) -> dict[str, Any]:
    """A refusal as `run --json` prints it: the same keys, nothing loaded."""
    assert isinstance(refusal.run, Run)
    document = report_document(Report(refusal.run, refusal.run.status, 0))
    return {**document, "error": refusal.message}


def test_counts(report: Report) -> tuple[int, int, int]:
    """Expectations that held, that warned, and that failed or could not be checked."""
    if report.outcome is None:
        return 0, 0, 0
    warned = sum(one.status == "warn" for one in report.outcome.findings)
    return report.outcome.expectations_passed, warned, len(report.outcome.findings) - warned


def summary(report: Report, where: str, target: str | None = None) -> str:
    """The end of a run, as people want to read it. `target`: as named, for what to run next."""
    run = report.run
    on = f" --target {target}" if target else ""
    look = f"runner status {run.id} --tenant {run.tenant_id}{on}"
    why = report.outcome.error if report.outcome else None
    error = [f"  error     {why}"] if why else []
    if run.deduplicated and report.status == "PENDING" and run.is_queued:
        return (
            f"Run {run.id} of {run.tenant_id} covers {run.dates} and waits for `runner serve`"
            f" since {run.start_time:%Y-%m-%d %H:%M} UTC: nothing was started.\n"
            f"Start `runner serve`{on}, or end it with: runner cancel {run.id} --tenant"
            f" {run.tenant_id}{on}"
        )
    if run.deduplicated and report.status in ("PENDING", "RUNNING"):
        doing = f"waits for {run.waits_for}" if run.waits_for else f"is {run.status}"
        return (
            f"Run {run.id} of {run.tenant_id} covers {run.dates} and {doing}: nothing was"
            f" started.\nFollow it with: {look}"
        )
    if run.deduplicated:
        rows = "" if run.row_count is None else f", {run.row_count:,} rows"
        head = f"{report.status}  {run.tenant_id}  {run.dates}  by run {run.id}{rows}"
        return "\n".join([head, *error, f"  next      {look}"])
    passed, warned, failed = test_counts(report)
    seconds = report.duration_ms / 1000
    head = f"{report.status}  {run.tenant_id}  {run.dates}  in {seconds:.1f} s"
    lines = [head, f"  run       {run.id}"]
    if report.totals:
        cells = [("currency", "rows", "gross", "credits", "net")]
        cells += [
            (t.currency, f"{t.rows:,}", money(t.cost), money(t.credits), money(t.net))
            for t in report.totals
        ]
        lines += ["  bill      " + line for line in columns(cells, right=(1, 2, 3, 4))]
    elif report.status == "COMPLETED":
        lines.append("  bill      no rows")
    lines.append(f"  tests     {passed} passed, {warned} warned, {failed} failed")
    lines += [f"  warning   {warning}" for warning in report.warnings]
    lines += error
    lines.append(f"  data      {where}")
    if report.status == "COMPLETED":
        lines.append(f"  next      {look}")
    else:
        lines.append(f"  next      {look}, then {run.rerun_command}{on}")
    return "\n".join(lines)


def columns(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> list[str]:
    """Rows of cells as aligned lines, two blanks between."""
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    return [
        "  ".join(
            cell.rjust(width) if n in right else cell.ljust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


class Progress:
    """The current model, done of total and time gone: one line on a terminal, else plain lines.

    Goes to stderr, so that stdout stays clean. Use as a context manager.
    """

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._live = sys.stderr.isatty() and not quiet
        self._began = time.monotonic()
        self._total = self._done = 0
        self._running: list[str] = []
        self._waits_for = ""

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *error: object) -> None:
        if self._live:
            sys.stderr.write("\r\033[K")

    def say(self, text: str) -> None:
        """Something that is no dbt node."""
        if self._live:
            self._write(text)
        elif not self._quiet:
            sys.stderr.write(f"{text}\n")

    def follow(self, event: Event) -> None:
        """Show one event of dbt."""
        if event.kind == "planned":
            self._total = event.nodes
        elif event.kind == "waiting":
            if event.name != self._waits_for:
                self.say(event.name)
                self._waits_for = event.name
            return
        elif event.kind in ("warning", "terminal"):
            if not self._quiet:
                clear = "\r\033[K" if self._live else ""
                sys.stderr.write(f"{clear}{event.name}\n")
            return
        elif event.kind == "started":
            self._running.append(event.name)
        elif event.kind == "finished":
            self._done += 1
            if event.name in self._running:
                self._running.remove(event.name)
            if not self._live and not self._quiet and _worth_a_line(event):
                sys.stderr.write(f"{self._place} {event.type} {event.name}: {event.status}\n")
        if self._live:
            self._write(f"{self._place} {self._running[-1] if self._running else ''}")

    @property
    def _place(self) -> str:
        """How many nodes are done, and of how many once that is known."""
        return f"[{self._done}/{self._total}]" if self._total else f"[{self._done}]"

    def _write(self, text: str) -> None:
        line = f"{time.monotonic() - self._began:5.1f} s  {text}"
        sys.stderr.write(f"\r\033[K{line[:100]}")
        sys.stderr.flush()


def _worth_a_line(event: Event) -> bool:
    """Without a terminal a log is read later: models, and tests that did not pass."""
    return event.type != "test" or event.status not in ("pass", "success", "skipped")


def tenant_list(found: Sequence[Tenant]) -> str:
    """Tenants as a table."""
    if not found:
        return "No tenants yet. Add one with: runner tenant add ID --admin-email E --export REF"
    rows = [("tenant", "status", "plan", "admin", "company")]
    rows += [(t.id, t.status, t.plan, t.admin_email, t.company_name) for t in found]
    return "\n".join(columns(rows))


def key_list(found: Sequence[Key]) -> str:
    """Keys as a table."""
    if not found:
        return "No keys yet. Make one with: runner tenant key create --tenant ID"
    rows = [("key", "state", "scopes", "made", "ends", "last used (UTC)", "by", "for")]
    rows += [
        (
            key.id,
            key.state,
            ",".join(key.scopes),
            f"{key.created_at:%Y-%m-%d}",
            f"{key.expires_at:%Y-%m-%d}" if key.expires_at else "never",
            f"{key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never",
            key.created_by or "",
            key.description or "",
        )
        for key in found
    ]
    return "\n".join(columns(rows))


def credentials(told: Credentials) -> str:
    """Which account a tenant's data is read and written as."""
    if told.impersonate is None:
        return f"Tenant {told.tenant_id} has no account of its own: the process's own is used."
    when = f", set {told.set_at:%Y-%m-%d %H:%M} UTC by {told.set_by}" if told.set_at else ""
    return f"Tenant {told.tenant_id} is read and written as {told.impersonate}{when}."


def tenant(one: Tenant, named: Sequence[Export]) -> str:
    """One tenant with its exports."""
    rows = [
        (key.replace("_", " "), "" if value is None else str(value))
        for key, value in one.__dict__.items()
    ]
    for export in named:
        rows.append(("export", export.ref))
        rows.append(("  accounts", ", ".join(export.billing_accounts) or "all"))
        rows.append(("  projects", ", ".join(export.projects) or "all"))
        rows.append(("  unallocated", "included" if export.has_unallocated else "left out"))
    return "\n".join(columns(rows))


def estimate(told: Estimate) -> str:
    """What a run would read, model by model."""
    rows = [("model", "bytes", "")]
    rows += [
        (one.model, "" if one.bytes_read is None else f"{one.bytes_read:,}", _short(one.why, 60))
        for one in told.models
    ]
    if all(one.bytes_read is None and not one.why for one in told.models):
        return "\n".join([*columns(rows), "This target reads local files: nothing is billed."])
    total = f"{told.bytes_read:,} bytes, about ${told.dollars} at ${told.dollars_per_tib} a TiB"
    return "\n".join([*columns(rows, right=(1,)), total])


def estimate_document(told: Estimate) -> dict[str, Any]:
    """An estimate as `run --dry-run --json` prints it."""
    return {
        "models": [one.__dict__ for one in told.models],
        "bytes_read": told.bytes_read,
        "dollars": told.dollars,
        "maximum_bytes_billed": told.maximum_bytes_billed,
    }


def run_list(runs: Sequence[Run]) -> str:
    """Runs as a table."""
    if not runs:
        return "No such runs."
    rows = [("run", "dates", "status", "rows", "started (UTC)", "seconds", "by", "message")]
    rows += [
        (
            run.id,
            str(run.dates),
            run.status,
            "" if run.row_count is None else f"{run.row_count:,}",
            f"{run.start_time:%Y-%m-%d %H:%M:%S}",
            "" if run.duration_ms is None else f"{run.duration_ms / 1000:.1f}",
            run.trigger_by or "",
            _short(run.error_message or " ".join(run.warnings), 60),
        )
        for run in runs
    ]
    return "\n".join(columns(rows, right=(3, 5)))


def run_with_steps(
    run: Run,
    steps: Sequence[Row],
    found: Sequence[Standing] = (),
    unrecorded: Sequence[str] = (),
) -> str:
    """One run, what is published of its dates, and its steps; passed tests are only counted.

    `unrecorded`: runs of these dates that died before they recorded what they published.
    """
    head = [
        ("run", run.id),
        ("pipeline", run.pipeline_id),
        ("dates (UTC)", str(run.dates)),
        ("status", f"{run.status}, waits for {run.waits_for}" if run.waits_for else run.status),
        (
            "started",
            f"{run.start_time:%Y-%m-%d %H:%M:%S} UTC by {run.trigger_by} ({run.trigger_type})",
        ),
        ("seconds", "" if run.duration_ms is None else f"{run.duration_ms / 1000:.1f}"),
        ("rows", "" if run.row_count is None else f"{run.row_count:,}"),
        ("message", run.error_message or ""),
        *(("warning", text) for text in run.warnings),
    ]
    head += [("published", line) for line in standing_lines(found, run.id)]
    if any(one.behind for one in found):
        head.append(("", f"the layers disagree: runner catch-up --tenant {run.tenant_id}"))
    if unrecorded:
        lost = f"run {unrecorded[0]} ended before it recorded what it published: see"
        head.append(("", f"{lost} runner doctor --tenant {run.tenant_id}"))
    lines = columns(head)
    passed = [
        step
        for step in steps
        if step["step_type"] == "test" and step["status"] == "COMPLETED" and not step["warnings"]
    ]
    skipped = [step for step in steps if step["status"] == "SKIPPED"]
    table = [("step", "type", "status", "rows", "ms", "message")]
    table += [
        (
            step["step_name"],
            step["step_type"],
            step["status"],
            "" if step["row_count"] is None else str(step["row_count"]),
            "" if step["duration_ms"] is None else str(step["duration_ms"]),
            _short(step["error_message"] or " ".join(step["warnings"]), 100),
        )
        for step in steps
        if step not in passed and step not in skipped
    ]
    lines += ["", *columns(table, right=(3, 4))]
    if passed:
        lines.append(f"and {len(passed)} tests that passed")
    if skipped:
        lines.append(f"and {len(skipped)} steps that were skipped, because what they need failed")
    return "\n".join(lines)


def quota(told: Quota) -> str:
    """A tenant's limits as a table."""
    head = (
        f"{told.tenant_id}  tenant {told.tenant_status}, plan {told.plan},"
        f" subscription {told.subscription_status}"
    )
    rows = [("limit", "used", "of", "remaining", "resets (UTC)")]
    rows += [
        (
            one.name,
            str(one.used),
            str(one.limit),
            str(one.remaining),
            f"{one.resets_at:%Y-%m-%d %H:%M}" if one.resets_at else "when a run ends",
        )
        for one in told.limits
    ]
    return "\n".join([head, *columns(rows, right=(1, 2, 3))])


def catch_up(told: CatchUp, is_dry_run: bool = False) -> str:
    """How the catch-up of one tenant ended: a line for it, and one for each range."""
    if told.found is None:
        return f"{told.tenant_id}: {told.error}"
    count = len(told.found.dates)
    lines = [f"{told.tenant_id}: nothing to run: no date has moved since it was loaded."]
    if count:
        verb = "would be run" if is_dry_run else "had to be run"
        several = "s" if count > 1 else ""
        lines = [f"{told.tenant_id}: {count} date{several} {verb}: {in_words(told.found.dates)}"]
    rows = [
        (
            "" if is_dry_run else part.status,
            str(part.dates),
            f"{part.dates.days} d",
            "" if part.rows is None else f"{part.rows:,} rows",
            part.run_id or "",
            part.error or "",
        )
        for part in told.parts
    ]
    lines += [f"  {line.lstrip()}" for line in columns(rows, right=(2, 3))] if rows else []
    notes = (*told.notes, *([told.error] if told.error else ()))
    return "\n".join(lines + [f"  {note}" for note in notes])


def catch_up_document(told: CatchUp) -> dict[str, Any]:
    """One tenant's catch-up as `catch-up --json` prints it."""
    found = told.found
    return {
        "tenant_id": told.tenant_id,
        "complete": told.is_complete,
        "exit_code": told.exit_code,
        "error": told.error,
        "looked_at": found.looked_at if found else None,
        "partitions_from": found.partitions_from if found else None,
        "dates": list(found.dates) if found else [],
        "left_alone": list(found.left_alone) if found else [],
        "runs": [
            {
                "run_date": part.dates.first,
                "to_date": part.dates.last,
                "status": part.status,
                "pipeline_logging_id": part.run_id,
                "rows": part.rows,
                "error": part.error,
            }
            for part in told.parts
        ],
        "notes": list(told.notes),
    }


def checks(found: Sequence[CheckResult]) -> str:
    """What `runner doctor` found as a table; under each trouble its remedy, to be copied."""
    names = [f"{one.name} {one.tenant or ''}".rstrip() for one in found]
    width = max(len(name) for name in names)
    lines = []
    for name, one in zip(names, found, strict=True):
        lines.append(f"{one.status:<4}  {name:<{width}}  {' '.join(one.detail.split())}")
        if one.remedy:
            lines.append(f"      remedy: {one.remedy}")
    counts = [sum(one.status == status for one in found) for status in ("ok", "warn", "fail")]
    return "\n".join([*lines, "{} ok, {} warn, {} fail".format(*counts)])


def _short(text: str | None, width: int) -> str:
    line = " ".join((text or "").split())
    return line if len(line) <= width else line[: width - 1] + "…"
