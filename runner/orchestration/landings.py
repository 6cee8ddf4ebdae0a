"""Landings: tenants that load a shared export once, for other tenants to read.

Those have `tenant:NAME` as their export. A landing has no bill and no marts of its own.
"""

from collections.abc import Sequence

from runner import dates
from runner.control import claim, tenants
from runner.control import runs_sql as sql
from runner.control.runs import ACTIVE, Run, end_dead_leases, run_from_row
from runner.control.store import Store
from runner.errors import UsageProblem
from runner.orchestration import moved
from runner.pipelines import templates


class DatesNotLanded(UsageProblem):
    """The tenant reads a landing that does not have the dates."""


class LandingIsActive(DatesNotLanded):
    """An active run of the landing, `run`, may replace some of the dates."""

    def __init__(self, message: str, run: Run) -> None:
        super().__init__(message)
        self.run = run


def bill_of(template: templates.Template) -> str:
    """The model that holds the charge rows of a template's runs."""
    return "export_landing" if template.name == templates.LANDING else "billing_cost_daily"


def waves(every: Sequence[tenants.Tenant]) -> list[list[tenants.Tenant]]:
    """The tenants in the order of their runs: landings first, then their readers."""
    waves: dict[bool, list[tenants.Tenant]] = {True: [], False: []}
    for one in every:
        waves[one.pipeline == templates.LANDING].append(one)
    return [wave for wave in waves.values() if wave]


def pipeline_of(name: str) -> str:
    """The pipeline id of a landing's runs."""
    return templates.load(templates.LANDING).pipeline_of(name)


def require_dates(store: Store, request: claim.Request) -> frozenset[str]:
    """The ids of the landings' ended runs that had some of the request's dates.

    Raises DatesNotLanded when the last run of a date did not complete: the tenant's bill would
    lack charges, and no test of the tenant would find it. Raises LandingIsActive while a run of a
    landing has some of the dates.
    """
    known: set[str] = set()
    for name in request.landings:
        runs = _runs(store, name, request)
        ended = [run for run in runs if run.status not in ACTIVE]
        # A queued run may wait for a day: only other queued runs wait for it.
        active = [
            run for run in runs if run.status in ACTIVE and (request.queued or not run.is_queued)
        ]
        ends = moved.last_ends(moved.Ended(run.status == "COMPLETED", run.dates) for run in ended)
        lacking = [
            day
            for day in request.dates
            if not ends.get(day) and not any(day in run.dates for run in active)
        ]
        if lacking:
            raise DatesNotLanded(
                f"Tenant {request.tenant_id} reads the landing {name}, which has no completed"
                f" run of {dates.in_words(lacking)}: run `runner run --tenant {name} --from"
                f" {lacking[0]} --to {lacking[-1]}` first."
            )
        if active:
            raise LandingIsActive(
                f"Tenant {request.tenant_id} reads the landing {name}, whose run {active[0].id} of"
                f" {active[0].dates} is {active[0].status}: add --wait, or run again after its"
                " end.",
                active[0],
            )
        known.update(run.id for run in ended)
    return frozenset(known)


def landed_since(store: Store, request: claim.Request, known: frozenset[str]) -> str | None:
    """The error when a landing was run for some of the request's dates meanwhile; else None.

    `known`: what require_dates returned before the landing was read. A PENDING run has changed
    nothing.
    """
    for name in request.landings:
        for run in _runs(store, name, request):
            if run.id not in known and run.status != "PENDING":
                return (
                    f"The landing {name} was run for {run.dates} while this run read it (run"
                    f" {run.id}, {run.status}): run it again when the landing's last run has"
                    " completed."
                )
    return None


def _runs(store: Store, name: str, request: claim.Request) -> list[Run]:
    """The landing's runs with some of the request's dates, newest first; dead ones are closed."""

    def read() -> list[Run]:
        rows = store.read(
            sql.LANDING_RUNS.format(tenant=name),
            pipeline_id=pipeline_of(name),
            from_date=request.dates.first,
            to_date=request.dates.last,
        )
        return [run_from_row(row) for row in rows]

    runs = read()
    if any(run.status in ACTIVE for run in runs):
        end_dead_leases(store, name)
        runs = read()
    return runs
