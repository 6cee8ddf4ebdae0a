"""Many tenants of one export, onboarded with one dbt process; or only the first N left active.

many_tenants.py add EXPORT TENANT…      tenant n has account n
many_tenants.py leave N
"""

import sys
from pathlib import Path
from typing import Any

from runner.context import open_context
from runner.control.tenants import PLANS
from runner.engine.job import Outcome
from runner.engine.process import Worker
from runner.onboarding import builder
from runner.onboarding.onboard import onboard
from runner.onboarding.records import TenantSpec
from runner.settings import load

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from control_db import ask


class Shared:
    """Stands where a Worker would, and is the same one each time."""

    process: Worker | None = None

    def __init__(self, *args: Any) -> None:
        Shared.process = Shared.process or Worker(*args)

    def run(self, *args: Any, **named: Any) -> Outcome:
        assert Shared.process
        return Shared.process.run(*args, **named)

    def stop(self) -> None: ...


def add(export: str, names: list[str]) -> None:
    builder.Worker = Shared  # type: ignore[assignment,misc]
    context = open_context(load(None, None))
    for n, name in enumerate(names):
        account = (f"{n:06d}-AAAAAA-BBBBBB",)
        spec = TenantSpec(name, "bench@example.com", (export,), None, PLANS["scale"], account)
        onboard(context, spec)
    assert Shared.process
    Shared.process.stop()
    _control("update tenants.tenant_subscriptions set daily_limit = 100000, monthly_limit = 100000")


def leave(count: int) -> None:
    _control(
        "update tenants.tenant_profiles set status = case when tenant_id in (select tenant_id from"
        " tenants.tenant_profiles order by tenant_id limit ?) then 'ACTIVE' else 'SUSPENDED' end",
        count,
    )


def _control(sql: str, *values: object) -> None:
    ask(Path(load(None, None).warehouse_dir) / "control.db", sql, values)


if __name__ == "__main__":
    if sys.argv[1] == "add":
        add(sys.argv[2], sys.argv[3:])
    else:
        leave(int(sys.argv[2]))
