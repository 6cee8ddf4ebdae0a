"""Runs, steps, quotas and checks as tables for people."""

from collections.abc import Sequence

from runner.cli.text import cell, columns, seconds, short, table
from runner.control.quota import Quota
from runner.control.runs import Run
from runner.doctor.check import CheckResult
from runner.orchestration.standing import Standing, standing_lines
from runner.sql import Row


def run_list(found: Sequence[Run]) -> str:
    """Runs as a table."""
    rows = [
        (
            run.id,
            run.dates,
            run.status,
            run.row_count,
            f"{run.start_time:%Y-%m-%d %H:%M:%S}",
            seconds(run.duration_ms),
            run.trigger_by,
            short(run.error_message or " ".join(run.warnings), 60),
        )
        for run in found
    ]
    head = ("run", "dates", "status", "rows", "started (UTC)", "seconds", "by", "message")
    return table(head, rows, empty="No such runs.")


def run_with_steps(
    run: Run, steps: Sequence[Row], standing: Sequence[Standing], unrecorded: Sequence[str]
) -> str:
    """One run, which runs published its dates, and its steps; passed tests are only counted.

    `unrecorded`: runs of these dates that died before they recorded what they published.
    """
    start = f"{run.start_time:%Y-%m-%d %H:%M:%S} UTC by {run.trigger_by} ({run.trigger_type})"
    head = [
        ("run", run.id),
        ("pipeline", run.pipeline_id),
        ("dates (UTC)", run.dates),
        ("status", f"{run.status}, waits for {run.waits_for}" if run.waits_for else run.status),
        ("started", start),
        ("seconds", cell(seconds(run.duration_ms))),
        ("rows", cell(run.row_count)),
        ("message", run.error_message),
        *(("warning", warning) for warning in run.warnings),
        *(("published", line) for line in standing_lines(standing, run.id)),
    ]
    if any(one.behind for one in standing):
        head.append(("", f"rebuild older tables with: runner catch-up --tenant {run.tenant_id}"))
    if unrecorded:
        lost = f"run {unrecorded[0]} ended before it recorded what it published; for details:"
        head.append(("", f"{lost} runner doctor --tenant {run.tenant_id}"))
    shown = [step for step in steps if not _has_passed(step) and step["status"] != "SKIPPED"]
    names = ("step_name", "step_type", "status", "row_count", "duration_ms")
    rows = [
        [*map(step.get, names), short(step["error_message"] or " ".join(step["warnings"]), 100)]
        for step in shown
    ]
    step_table = table(("step", "type", "status", "rows", "ms", "message"), rows)
    lines = [*columns(head), "", step_table]
    if passed := sum(map(_has_passed, steps)):
        lines.append(f"and {passed} tests that passed")
    if skipped := sum(step["status"] == "SKIPPED" for step in steps):
        lines.append(f"and {skipped} steps that were skipped, because a step before them failed")
    return "\n".join(lines)


def _has_passed(step: Row) -> bool:
    is_test = step["step_type"] == "test"
    return is_test and step["status"] == "COMPLETED" and not step["warnings"]


def quota(found: Quota) -> str:
    """A tenant's limits as a table."""
    rows = [
        (
            one.name,
            one.used,
            one.limit,
            one.remaining,
            f"{one.resets_at:%Y-%m-%d %H:%M}" if one.resets_at else "when a run ends",
        )
        for one in found.limits
    ]
    return (
        f"{found.tenant_id}  tenant {found.tenant_status}, plan {found.plan}, subscription"
        f" {found.subscription_status}\n"
        f"{table(('limit', 'used', 'of', 'remaining', 'resets (UTC)'), rows)}"
    )


def checks(found: Sequence[CheckResult]) -> str:
    """The checks of `runner doctor`, each problem with its remedy in a line of its own."""
    names = [f"{one.name} {one.tenant or ''}".rstrip() for one in found]
    width = max(map(len, names))
    lines = []
    for name, one in zip(names, found, strict=True):
        lines.append(f"{one.status:<4}  {name:<{width}}  {' '.join(one.detail.split())}")
        if one.remedy:
            lines.append(f"      remedy: {one.remedy}")
    counts = [sum(one.status == status for one in found) for status in ("ok", "warn", "fail")]
    return "\n".join([*lines, "{} ok, {} warn, {} fail".format(*counts)])
