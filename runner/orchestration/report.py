"""How a run ended, for people and for machines."""

from dataclasses import dataclass
from decimal import Decimal

from runner.control import runs
from runner.engine.job import Outcome


@dataclass(frozen=True)
class Total:
    """The loaded dates in one currency: charge rows, cost before credits, credits, net cost."""

    currency: str
    rows: int
    cost: Decimal
    credits: Decimal
    net: Decimal


@dataclass(frozen=True)
class Report:
    """How a run ended, for people and for machines. `interrupted`: the signal's number, or 0.

    `covered`: whether the run has all requested dates; if not, no run was started.
    """

    run: runs.Run
    status: str
    duration_ms: int
    outcome: Outcome | None = None
    totals: tuple[Total, ...] = ()
    warnings: tuple[str, ...] = ()
    interrupted: int = 0
    covered: bool = True

    @property
    def rows(self) -> int:
        """Charge rows loaded for the dates; of another command's run, by its record."""
        return sum(total.rows for total in self.totals) or self.run.row_count or 0
