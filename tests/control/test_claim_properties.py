"""The claim against a model of twenty lines: whatever happens in whatever order, both agree."""

import contextlib
import itertools
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from control_db import ask
from control_file import DAY, TENANTS, Control, request
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support import ROOT

from runner.control import claim, processes, quota, tenants, turns
from runner.control import runs as control_runs
from runner.control import runs_sql as sql
from runner.control.processes import this_host
from runner.control.sqlite import SqliteStore
from runner.dataset.duckdb import DuckDBDataset

PIPELINES = ("gcp-cost-billing", "gcp-other")
HERE = f"{this_host()}:{os.getpid()}"
# No process can have it: pids end at 2**22.
DEAD_HERE = f"{this_host()}:{2**22 + 1}"
ELSEWHERE = "elsewhere:1"
ACTIVE = ("PENDING", "RUNNING")
LEASE = timedelta(minutes=20) + turns.LEASE_GRACE


class OneFile(SqliteStore):
    """A warehouse whose control file is emptied for each example."""

    def __init__(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="claims-"))
        self.path = folder / "control.db"
        super().__init__(self.path, ROOT, 60)
        for tenant in TENANTS:
            self.complete(tenant)
        self.table_names = [
            f"{dataset}.{table}"
            for dataset in ("tenants", *TENANTS)
            for table in self.columns(dataset)
        ]

    def data_path(self, tenant: str) -> Path:
        return self.path.with_name(f"{tenant}.duckdb")


class Clock(datetime):
    """A clock that stands until it is moved; what is injected for `datetime`."""

    time = datetime(2024, 11, 28, 12, tzinfo=UTC)

    @classmethod
    def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
        return cls.time


@dataclass
class Modelled:
    """A run as the model knows it."""

    id: str
    pipeline: str
    first: date
    last: date
    status: str
    start: datetime
    lease: datetime
    worker: str

    def is_active(self) -> bool:
        return self.status in ACTIVE


@dataclass
class Model:
    """A tenant as the model knows it."""

    daily: int = 4
    monthly: int = 9
    concurrent: int = 2
    status: str = "ACTIVE"
    subscription: str = "ACTIVE"
    ends: date | None = None
    runs: list[Modelled] = field(default_factory=list)

    def close_dead(self, now: datetime) -> None:
        for run in self.runs:
            if run.is_active() and (run.lease <= now or run.worker == DEAD_HERE):
                run.status = "FAILED"

    def in_the_way(self, pipeline: str, first: date, last: date) -> list[Modelled]:
        return [
            run
            for run in self.runs
            if run.is_active() and run.pipeline == pipeline
            if run.first <= last and run.last >= first
        ]

    def used(self, now: datetime) -> tuple[int, int, int]:
        counted = [run for run in self.runs if run.status != "REFUSED"]
        return (
            sum(run.start.date() == now.date() for run in counted),
            sum(run.start.date() >= now.date().replace(day=1) for run in counted),
            sum(run.is_active() for run in self.runs),
        )

    def refusal(self, now: datetime) -> str | None:
        today, month, active = self.used(now)
        if self.status != "ACTIVE":
            return "tenant is suspended"
        if self.subscription not in ("ACTIVE", "TRIAL"):
            return f"subscription is {self.subscription.lower()}"
        if self.ends and self.ends < now.date():
            return f"subscription ended on {self.ends}"
        if today >= self.daily:
            return f"daily limit reached: {today} of {self.daily} runs used today"
        if month >= self.monthly:
            return f"monthly limit reached: {month} of {self.monthly} runs used this month"
        if active >= self.concurrent:
            return f"concurrent limit reached: {active} of {self.concurrent} runs are active now"
        return None


class Claims(RuleBasedStateMachine):
    """Claims, ends, crashes, time, standing and limits, in any order."""

    shared: OneFile | None = None

    def __init__(self) -> None:
        super().__init__()
        if Claims.shared is None:
            Claims.shared = OneFile()
        self.store = Claims.shared
        self.dataset = DuckDBDataset(self.store.data_path, 60, self.store)
        Clock.time = datetime(2024, 11, 28, 12, tzinfo=UTC)
        self.patches = contextlib.ExitStack()
        for module in (claim, control_runs, quota, turns):
            self.patches.enter_context(patch.object(module, "datetime", Clock))
        self.patches.enter_context(patch.object(claim, "git_commit", lambda folder: "unknown"))
        # The kernel's clock is not the injected one: our process is there from the beginning.
        self.patches.enter_context(
            patch.object(processes, "_state", lambda pid: ("S", datetime.min.replace(tzinfo=UTC)))
        )
        self.models = {tenant: Model() for tenant in TENANTS}
        for table in self.store.table_names:
            ask(self.store.path, f"delete from {table}")

    def teardown(self) -> None:
        self.patches.close()

    @initialize()
    def begin(self) -> None:
        for tenant in TENANTS:
            self.run_sql(
                "insert into tenants.tenant_profiles by name select ? as tenant_id,"
                " 'a@b.example' as admin_email, 'ACTIVE' as status, 'X' as subscription_plan,"
                " '2024-01-01 00:00:00.000000' as created_at",
                tenant,
            )
            self.run_sql(
                "insert into tenants.tenant_subscriptions by name select 's' as subscription_id,"
                " ? as tenant_id, 'X' as plan_name, 'ACTIVE' as status, 4 as daily_limit,"
                " 9 as monthly_limit, 2 as concurrent_limit",
                tenant,
            )
            self.run_sql(f"insert into {tenant}.x_meta_lock by name select 'claim' as lock_name")

    def run_sql(self, text: str, *values: Any) -> list[tuple[Any, ...]]:
        return ask(self.store.path, text, values)

    def an_active_run(self, data: st.DataObject) -> tuple[str, Modelled]:
        return data.draw(
            st.sampled_from(
                [(t, run) for t in TENANTS for run in self.models[t].runs if run.is_active()]
            )
        )

    def has_active_runs(self) -> bool:
        return any(run.is_active() for model in self.models.values() for run in model.runs)

    @rule(
        tenant=st.sampled_from(TENANTS),
        pipeline=st.sampled_from(PIPELINES),
        offset=st.integers(0, 5),
        length=st.integers(0, 2),
        worker=st.sampled_from([HERE, ELSEWHERE]),
    )
    def take(self, tenant: str, pipeline: str, offset: int, length: int, worker: str) -> None:
        now, model = Clock.time, self.models[tenant]
        first = DAY + timedelta(days=offset)
        last = first + timedelta(days=length)
        pipeline_id = f"{tenant}-{pipeline}"
        with patch.object(claim, "hostname_and_pid", lambda: worker):
            run = claim.take(
                self.store,
                request(first, last, tenant_id=tenant, pipeline_id=pipeline_id),
            )
        model.close_dead(now)
        in_the_way = model.in_the_way(pipeline_id, first, last)
        assert run.deduplicated == bool(in_the_way)
        if in_the_way:
            assert run.id in {one.id for one in in_the_way}, "a duplicate returns an active run"
            return
        refusal = model.refusal(now)
        assert (run.status, run.error_message) == ("REFUSED" if refusal else "PENDING", refusal)
        lease = now + turns.WAITING_LEASE
        model.runs.append(
            Modelled(run.id, pipeline_id, first, last, run.status, now, lease, worker)
        )
        assert refusal or model.used(now)[2] <= model.concurrent

    @precondition(has_active_runs)
    @rule(data=st.data(), status=st.sampled_from(["COMPLETED", "FAILED"]))
    def finish(self, data: st.DataObject, status: str) -> None:
        tenant, run = self.an_active_run(data)
        self.write_end(tenant, run.id, status)
        run.status = status

    def write_end(self, tenant: str, run_id: str, status: str) -> None:
        self.store.write(
            *(text.format(tenant=tenant) for text in (sql.FINISH, sql.MISSING_EVENTS)),
            run_id=run_id,
            status=status,
            now=Clock.time,
            duration_ms=1,
            error_message=None,
            warnings="[]",
            row_count=None,
            publications=None,
            **control_runs.of_events(tenant, Clock.time),
        )

    @rule(data=st.data(), status=st.sampled_from(["COMPLETED", "FAILED"]))
    def finish_too_late(self, data: st.DataObject, status: str) -> None:
        """Whoever was closed by another cannot change that any more."""
        ended = [(t, r) for t in TENANTS for r in self.models[t].runs if not r.is_active()]
        if ended:
            tenant, run = data.draw(st.sampled_from(ended))
            self.write_end(tenant, run.id, status)

    @precondition(has_active_runs)
    @rule(data=st.data())
    def ask_for_the_turn(self, data: st.DataObject) -> None:
        """Also of a run whose process has exited: only what is closed stays closed."""
        tenant, run = self.an_active_run(data)
        turn = self.start(tenant, run)
        others = [one for one in self.models[tenant].runs if one.is_active() and one is not run]
        ahead = sorted(
            (one.status != "RUNNING", one.start, one.id)
            for one in others
            if one.status == "RUNNING" or (one.start, one.id) < (run.start, run.id)
        )
        if run.status == "PENDING" and not ahead:
            run.status, run.lease = "RUNNING", Clock.time + LEASE
        if run.status == "PENDING":
            assert turn.ahead == tuple(run_id for *_, run_id in ahead)
        assert turn.status == run.status

    def start(self, tenant: str, run: Modelled) -> turns.Turn:
        return turns.start(self.store, self.as_claimed(tenant, run), 20)

    def as_claimed(self, tenant: str, run: Modelled) -> control_runs.Run:
        rows = self.store.read(sql.RUN.format(tenant=tenant), run_id=run.id)
        return control_runs.run_from_row(rows[0])

    @precondition(has_active_runs)
    @rule(data=st.data())
    def wait(self, data: st.DataObject) -> None:
        tenant, run = self.an_active_run(data)
        now, model = Clock.time, self.models[tenant]
        if run.status != "PENDING" or run.worker == DEAD_HERE:
            return  # only a living process waits
        turns.wait_for_turn(self.store, self.as_claimed(tenant, run))
        if run.lease < now + turns.WAITING_LEASE / 2:
            run.lease = now + turns.WAITING_LEASE
        model.close_dead(now)

    @precondition(has_active_runs)
    @rule(data=st.data())
    def crash(self, data: st.DataObject) -> None:
        """The process has exited. Of another host it is unknown until the lease is over."""
        tenant, run = self.an_active_run(data)
        if run.worker == HERE:
            run.worker = DEAD_HERE
            self.run_sql(
                f"update {tenant}.x_meta_pipeline_runs set worker_instance = ?"
                " where pipeline_logging_id = ?",
                DEAD_HERE,
                run.id,
            )

    @rule(data=st.data(), tenant=st.sampled_from(TENANTS))
    def cancel(self, data: st.DataObject, tenant: str) -> None:
        runs = self.models[tenant].runs
        if runs:
            run = data.draw(st.sampled_from(runs))
            was_cancelled = control_runs.cancel(self.store, tenant, run.id, "me")
            if run.status != "CANCELLED":  # of one that is, see the test below
                assert bool(was_cancelled) == run.is_active()
            if run.is_active():
                run.status = "CANCELLED"

    @rule(tenant=st.sampled_from(TENANTS))
    def sweep(self, tenant: str) -> None:
        control_runs.end_dead_leases(self.store, tenant)
        self.models[tenant].close_dead(Clock.time)

    @rule(minutes=st.sampled_from([1, 1, 2, 15, 29, 30, 31, 100, 700, 1440]))
    def time_passes(self, minutes: int) -> None:
        Clock.time += timedelta(minutes=minutes)

    @rule(tenant=st.sampled_from(TENANTS), status=st.sampled_from(["ACTIVE", "SUSPENDED"]))
    def suspend_or_resume(self, tenant: str, status: str) -> None:
        tenants.set_status(self.store, tenant, status)
        self.models[tenant].status = status

    @rule(
        tenant=st.sampled_from(TENANTS),
        subscription=st.sampled_from(["ACTIVE", "ACTIVE", "TRIAL", "EXPIRED", "CANCELLED"]),
        days=st.sampled_from([-1, 0, 1, 30, 30]),
    )
    def subscribe(self, tenant: str, subscription: str, days: int) -> None:
        ends = Clock.time.date() + timedelta(days=days)
        tenants.update(self.store, tenant, tenants.Changes(status=subscription, end_date=ends))
        model = self.models[tenant]
        model.subscription, model.ends = subscription, ends

    @rule(
        tenant=st.sampled_from(TENANTS),
        daily=st.integers(0, 6),
        monthly=st.integers(0, 12),
        concurrent=st.integers(0, 4),
    )
    def change_limits(self, tenant: str, daily: int, monthly: int, concurrent: int) -> None:
        changes = tenants.Changes(
            daily_limit=daily, monthly_limit=monthly, concurrent_limit=concurrent
        )
        tenants.update(self.store, tenant, changes)
        model = self.models[tenant]
        model.daily, model.monthly, model.concurrent = daily, monthly, concurrent

    @invariant()
    def rows_are_as_modelled(self) -> None:
        for tenant, model in self.models.items():
            rows = self.run_sql(
                f"select pipeline_logging_id, status from {tenant}.x_meta_pipeline_runs"
            )
            assert sorted(rows) == sorted((run.id, run.status) for run in model.runs)

    @invariant()
    def active_runs_of_a_pipeline_share_no_date(self) -> None:
        for model in self.models.values():
            active = [run for run in model.runs if run.is_active()]
            for one, other in itertools.combinations(active, 2):
                assert (
                    one.pipeline != other.pipeline
                    or one.last < other.first
                    or other.last < one.first
                )

    @rule()
    def of_a_tenant_one_run_builds(self) -> None:
        for model in self.models.values():
            assert sum(run.status == "RUNNING" for run in model.runs) <= 1

    @rule()
    def quota_counts_what_was_run(self) -> None:
        now = Clock.time
        for tenant, model in self.models.items():
            today, month, _ = model.used(now)
            alive = sum(run.is_active() and run.lease > now for run in model.runs)
            reported = quota.of(self.store, tenant)
            assert [one.used for one in reported.limits] == [today, month, alive]
            assert [one.remaining for one in reported.limits] == [
                max(model.daily - today, 0),
                max(model.monthly - month, 0),
                max(model.concurrent - alive, 0),
            ]

    @rule()
    def the_view_of_quotas_agrees(self) -> None:
        # A query has a DuckDB of its own, which costs more than all else here: one for all tenants.
        _, found = self.dataset.query(
            "select tenant_id, usage_date, pipelines_run_today, pipelines_succeeded_today,"
            " pipelines_failed_today, concurrent_pipelines_running"
            " from tenants.tenant_usage_quotas where pipelines_run_today > 0",
            [],
        )
        assert {row[0] for row in found} <= self.models.keys()
        for tenant, model in self.models.items():
            rows = [row[1:] for row in found if row[0] == tenant]
            counted = [run for run in model.runs if run.status != "REFUSED"]
            active = sum(run.is_active() for run in model.runs)
            assert sorted(rows) == [
                (
                    day,
                    len(runs),
                    sum(run.status == "COMPLETED" for run in runs),
                    sum(run.status == "FAILED" for run in runs),
                    active,
                )
                for day, runs in (
                    (day, list(group))
                    for day, group in itertools.groupby(
                        sorted(counted, key=lambda run: run.start),
                        key=lambda run: run.start.date(),
                    )
                )
            ]


TestClaims = Claims.TestCase
TestClaims.settings = settings(
    max_examples=30,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
    database=None,
)


def test_a_run_is_cancelled_once(control: Control) -> None:
    run = control.take()
    assert control_runs.cancel(control.context.store, "acme", run.id, "me")
    assert not control_runs.cancel(control.context.store, "acme", run.id, "me"), "it had ended"


def teardown_module() -> None:
    if Claims.shared is not None:
        shutil.rmtree(Claims.shared.path.parent)
        Claims.shared = None
