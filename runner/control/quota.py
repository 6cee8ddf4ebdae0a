"""What a tenant has used of its limits: counted from its runs, never stored."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from runner.control import quota_sql as sql
from runner.control import tenants
from runner.control.store import Store
from runner.sql import Value


@dataclass(frozen=True)
class Limit:
    """One limit, the runs used of it, and when the count resets (UTC; None: when a run ends)."""

    name: str
    used: int
    limit: int
    resets_at: datetime | None

    @property
    def remaining(self) -> int:
        return max(self.limit - self.used, 0)

    def __str__(self) -> str:
        at = self.resets_at
        ends = f"resets {at:%Y-%m-%d %H:%M} UTC" if at else "when a run ends"
        return f"{self.remaining} {self.name} ({ends})"


@dataclass(frozen=True)
class Quota:
    """A tenant's status, subscription and three limits."""

    tenant_id: str
    tenant_status: str
    plan: str | None
    subscription_status: str | None
    limits: tuple[Limit, ...]

    def in_words(self) -> str:
        """What is left, in one sentence."""
        return f"Left: {', '.join(map(str, self.limits))}."

    def document(self) -> dict[str, Any]:
        """As `quota --json` prints it."""
        return {
            **asdict(self),
            "limits": [{**asdict(one), "remaining": one.remaining} for one in self.limits],
        }


def times(now: datetime) -> dict[str, Value]:
    """The bound values with which `quota_sql` counts the use at this time."""
    return {"now": now, "today": now.date(), "month_start": now.date().replace(day=1)}


def of(store: Store, tenant_id: str) -> Quota:
    """The tenant's quota now. Raises UsageProblem for an unknown tenant."""
    tenants.find(store, tenant_id)
    now = datetime.now(UTC)
    today = datetime(now.year, now.month, now.day, tzinfo=UTC)
    next_month = (today.replace(day=1) + timedelta(days=32)).replace(day=1)
    row = store.read(sql.STANDING.format(tenant=tenant_id), tenant_id=tenant_id, **times(now))[0]
    return Quota(
        tenant_id,
        row["status"],
        row["plan_name"],
        row["subscription_status"],
        (
            Limit("daily", row["runs_today"], row["daily_limit"] or 0, today + timedelta(days=1)),
            Limit("monthly", row["runs_this_month"], row["monthly_limit"] or 0, next_month),
            Limit("concurrent", row["active_runs"], row["concurrent_limit"] or 0, None),
        ),
    )
