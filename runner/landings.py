"""Landings: tenants that read a shared export once, for others to read it from them.

Such another has `tenant:NAME` as its export. A landing bills nobody and has no marts.
"""

from collections.abc import Sequence
from datetime import date

from runner import control_sql as sql
from runner import moved, pipelines, tenants
from runner.errors import UsageProblem
from runner.notify import span
from runner.warehouse import Warehouse


class NotLanded(UsageProblem):
    """The tenant reads a landing that has not the dates."""


def bill_of(template: pipelines.Template) -> str:
    """The model that holds the charge rows of a template's runs."""
    return "export_landing" if template.name == pipelines.LANDING else "billing_cost_daily"


def waves(every: Sequence[tenants.Tenant]) -> list[list[tenants.Tenant]]:
    """The tenants in the order in which they run: landings first, then who may read them."""
    first = [one for one in every if one.pipeline == pipelines.LANDING]
    rest = [one for one in every if one.pipeline != pipelines.LANDING]
    return [wave for wave in (first, rest) if wave]


def read_by(warehouse: Warehouse, tenant: str) -> tuple[str, ...]:
    """The landings that the tenant reads."""
    named = (tenants.landing_of(export.ref) for export in tenants.exports(warehouse, tenant))
    return tuple(name for name in named if name)


def must_have(
    warehouse: Warehouse, tenant: str, names: Sequence[str], first: date, last: date
) -> None:
    """Raises NotLanded when a landing that the tenant reads had no completed last run of a date.

    Its bill would be without charges that the export has, and nothing would tell.
    """
    for name in names:
        template = pipelines.load(pipelines.LANDING)
        pipeline = pipelines.fill(template.pipeline_id, {"tenant_id": name})
        rows = warehouse.read(sql.ENDED_RUNS.format(tenant=name), pipeline_id=pipeline)
        ends = moved.last_ends(
            moved.Ended(row["status"] == "COMPLETED", row["run_date"], row["to_date"])
            for row in rows
        )
        lacking = moved.ranges(day for day in moved.Range(first, last).dates() if not ends.get(day))
        if lacking:
            dates = ", ".join(span(one.first, one.last) for one in lacking)
            raise NotLanded(
                f"Tenant {tenant} reads the landing {name}, which has no completed run of {dates}:"
                f" run `runner run --tenant {name} --from {lacking[0].first} --to"
                f" {lacking[-1].last}` first."
            )
