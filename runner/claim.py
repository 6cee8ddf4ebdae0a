"""Quota and dedup: one transaction decides whether a run may start, and says why not."""

import contextlib
import json
import os
import subprocess
import uuid
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path

from runner import control_sql as sql
from runner.errors import StatementRefused, WarehouseProblem
from runner.findings import parsed
from runner.invoke import hostname_and_pid, this_host
from runner.warehouse import Row, Value, Warehouse, When

# Closing dead runs, and their steps with them.
_EXPIRE = (sql.CLAIM_EXPIRE_STEPS, sql.CLAIM_EXPIRE)

# A run whose lease has passed counts as dead; the grace covers what follows dbt's own timeout.
LEASE_GRACE = timedelta(minutes=10)
# The lease of a run that waits for its turn. It is renewed when half of it is over.
WAITING_LEASE = timedelta(minutes=2)
# A run that has not ended has one of these.
ACTIVE = ("PENDING", "RUNNING")
# Whose a run is that was asked for and waits for a service to take it up: nobody's process.
QUEUE = "queue"
# So long it waits, though no service runs.
QUEUE_PATIENCE = timedelta(hours=24)
# When a run began that nobody knows of when.
LONG_AGO = datetime.min.replace(tzinfo=UTC)
# So far may the clock have been set since a run began, before a living one is taken for dead.
CLOCK_TOLERANCE = timedelta(minutes=1)


@dataclass(frozen=True)
class Request:
    """What is asked for: one pipeline, one tenant, usage dates from and to (both in, UTC)."""

    tenant_id: str
    pipeline_id: str
    template: str
    from_date: date
    to_date: date
    trigger_type: str
    trigger_by: str
    timeout_minutes: float
    user_id: str | None = None
    # Who is to hear of it, known before anything can break.
    admin_email: str = ""
    company_name: str = ""
    # The landings that the tenant reads, which must have the dates.
    landings: tuple[str, ...] = ()
    # Claimed for whichever service takes it up, see `take_up`.
    queued: bool = False


@dataclass(frozen=True)
class Run:
    """A row of x_meta_pipeline_runs. `deduplicated`: it is another's run that has some dates."""

    id: str
    pipeline_id: str
    tenant_id: str
    status: str
    run_date: date
    to_date: date
    start_time: datetime
    end_time: datetime | None
    duration_ms: int | None
    trigger_type: str
    trigger_by: str
    error_message: str | None
    template: str
    row_count: int | None
    user_id: str | None
    warnings: tuple[str, ...] = ()
    deduplicated: bool = False
    worker_instance: str | None = None
    # What a PENDING run waits for, as `waiting_for` reads it.
    waits_for: str | None = None

    @property
    def is_queued(self) -> bool:
        """Whether it waits for a service to take it up: no process has it."""
        return self.worker_instance == QUEUE

    def covers(self, first: date, last: date) -> bool:
        """Whether the run has all of these dates."""
        return self.run_date <= first and last <= self.to_date


def take(
    warehouse: Warehouse,
    request: Request,
    project_dir: Path,
    run_id: str | None = None,
    tries: int = 3,
    on_likely: Callable[[], None] | None = lambda: None,
    starts: bool = False,
) -> Run:
    """Claim the dates: a run of our own, a REFUSED one, or the active one in the way.

    `starts`: who claims builds it; when no other run of the tenant does or waits, it is RUNNING.

    Looks for a duplicate before it looks at the quota: a duplicate is neither refused nor counted.
    Of several in the way it is one that covers the dates, else the oldest.
    `run_id`: for who must know it before the claim, to withdraw it. `on_likely` is called before
    the claim when, by a look at the rows, it will be granted and its turn comes at once. The look
    closes dead runs; what died since counts as active. None spares it, for who did it a moment ago.
    Raises StatementRefused when the tenant's lock is gone, without which two claims would not see
    each other.
    """
    if on_likely and _is_likely(warehouse, request):
        on_likely()
    run_id = run_id or str(uuid.uuid4())
    lease = QUEUE_PATIENCE if request.queued else WAITING_LEASE

    def when() -> dict[str, Value]:
        now = datetime.now(UTC)
        return {
            "now": now,
            "today": now.date(),
            "month_start": now.date().replace(day=1),
            "lease_expires_at": now + lease,
            "build_expires_at": now + _lease(request.timeout_minutes),
        }

    # The lock's row alone is updated: on BigQuery whatever an active run writes meanwhile would
    # cancel a claim that updates runs or steps.
    event = sql.CLAIM_EVENT if on_likely else sql.CLAIM_OWN_EVENT
    statements = (sql.CLAIM_LOCK, sql.CLAIM_INSERT, event, sql.CLAIM_OUTCOME)
    rows = warehouse.write_in_turn(
        when,
        *(statement.format(tenant=request.tenant_id) for statement in statements),
        **_values(request, project_dir, run_id),
        starts=starts,
        queue=QUEUE,
    )
    if not rows and tries > 1 and warehouse.read(sql.LOCK.format(tenant=request.tenant_id)):
        # On BigQuery the outcome is read after the commit: who was in the way has ended since.
        return take(warehouse, request, project_dir, run_id, tries - 1, on_likely, starts)
    if not rows:
        raise StatementRefused(
            f"x_meta_lock of tenant {request.tenant_id} has lost its row, so no run can be claimed:"
            f" run `runner tenant repair {request.tenant_id}`."
        )
    oldest = sorted(rows, key=lambda row: row["start_time"] or LONG_AGO)
    found = [as_run(row, row["pipeline_logging_id"] != run_id) for row in oldest]
    covering = (run for run in found if run.covers(request.from_date, request.to_date))
    own = next((run for run in found if not run.deduplicated), None)
    return own or next(covering, found[0])


def _lease(timeout_minutes: float) -> timedelta:
    return timedelta(minutes=timeout_minutes) + LEASE_GRACE


@dataclass(frozen=True)
class Turn:
    """A run among the others of its tenant: its status, None if it has ended, and its queue.

    `ahead`: ids of the runs that build before it, in order.
    """

    status: str | None
    ahead: tuple[str, ...]


def turn_of(run: Run, active: Sequence[Row]) -> Turn:
    """The run's place among the tenant's active runs (rows of ACTIVE_RUNS).

    Runs in the service's queue are not counted: they wait until no other run is active.
    """

    def place(row: Row) -> tuple[bool, datetime, str]:
        return row["status"] != "RUNNING", row["start_time"], row["pipeline_logging_id"]

    mine = (True, run.start_time or LONG_AGO, run.id)
    others = (row for row in active if row["worker_instance"] != QUEUE)
    ahead = sorted(place(row) for row in others if row["pipeline_logging_id"] != run.id)
    status = next((row["status"] for row in active if row["pipeline_logging_id"] == run.id), None)
    return Turn(status, tuple(place[-1] for place in ahead if place < mine))


def starting(run: Run, timeout_minutes: float) -> tuple[tuple[str, ...], When]:
    """Statements that make the run RUNNING if it is its turn, with its full lease from then on.

    The last reads the rows for `turn_of`.
    """

    def when() -> dict[str, Value]:
        now = datetime.now(UTC)
        return {
            "now": now,
            "start_time": run.start_time,
            "queue": QUEUE,
            "lease_expires_at": now + _lease(timeout_minutes),
        }

    statements = (sql.CLAIM_LOCK, sql.START, sql.ACTIVE_RUNS)
    return tuple(statement.format(tenant=run.tenant_id) for statement in statements), when


def wait_for_turn(warehouse: Warehouse, run: Run) -> Turn:
    """The turn of a waiting run now. Renews its lease and closes dead runs, for nothing waits for
    a run that no process has."""
    statement = sql.ACTIVE_RUNS.format(tenant=run.tenant_id)
    active = warehouse.read(statement)
    now = datetime.now(UTC)
    for row in active:
        ends = row["lease_expires_at"]
        if row["pipeline_logging_id"] == run.id and ends < now + WAITING_LEASE / 2:
            # Before dead runs are closed: this one may have been suspended with its machine.
            warehouse.write(
                sql.RENEW.format(tenant=run.tenant_id),
                run_id=run.id,
                lease_expires_at=now + WAITING_LEASE,
            )
    others = [row for row in active if row["pipeline_logging_id"] != run.id]
    if end_dead(warehouse, run.tenant_id, others):
        active = warehouse.read(statement)
    return turn_of(run, active)


def waiting_for(warehouse: Warehouse, run: Run) -> str | None:
    """What a PENDING run waits for: "run ID", or the command that takes it up; else None."""
    if run.status != "PENDING":
        return None
    if run.is_queued:
        return "`runner serve`"
    turn = turn_of(run, warehouse.read(sql.ACTIVE_RUNS.format(tenant=run.tenant_id)))
    return f"run {turn.ahead[0]}" if turn.ahead else None


@dataclass(frozen=True)
class Swept:
    """What a sweep found: runs that wait to be taken up, oldest first; how many it closed.

    `owned`: active runs that a process has, such as those that build.
    """

    waiting: tuple[str, ...]
    closed: int
    owned: frozenset[str] = frozenset()


def sweep(warehouse: Warehouse, tenant_id: str, lost: Collection[str] = ()) -> Swept:
    """Find what waits; close what died; hand back what this process took up and nobody runs.

    `lost`: the names, see `name_of_taker`, by which it tried and then broke. A take-up may be
    committed though its answer never came: nobody knows of such a run but its row.
    """
    active = warehouse.read(sql.ACTIVE_RUNS.format(tenant=tenant_id))
    closed = end_dead(warehouse, tenant_id, active)
    found: list[str] = []
    owned: set[str] = set()
    for row in sorted(active, key=lambda row: row["start_time"]):
        name = row["worker_instance"] or ""
        if name in lost:
            named, values = handing_back(row["pipeline_logging_id"], name)
            warehouse.write(*sql.texts(tenant_id, named), **values)
        is_waiting = name in lost or name == QUEUE
        (found.append if is_waiting else owned.add)(row["pipeline_logging_id"])
    return Swept(tuple(found), closed, frozenset(owned))


def name_of_taker() -> str:
    """A name for who takes a run up: this process, now.

    With the moment: the process may be younger than the run, see `is_gone`.
    """
    return f"{hostname_and_pid()}@{datetime.now(UTC).timestamp():.6f}"


def take_up(
    warehouse: Warehouse, tenant_id: str, run_id: str, minutes: float, me: str | None = None
) -> Run | None:
    """Make a waiting run this process's own, RUNNING. None: another took it, or it has ended.

    Compare and set in one transaction, so of several services one has it; none while the tenant is
    not ACTIVE, or a process has another run of it. `minutes`: its timeout. `me`: the name to take
    it up by.
    """

    def when() -> dict[str, Value]:
        now = datetime.now(UTC)
        return {"now": now, "lease_expires_at": now + _lease(minutes)}

    rows = warehouse.write_in_turn(
        when,
        *(text.format(tenant=tenant_id) for text in (sql.CLAIM_LOCK, sql.TAKE_UP, sql.TAKEN_UP)),
        run_id=run_id,
        tenant_id=tenant_id,
        worker_instance=me or name_of_taker(),
        queue=QUEUE,
    )
    return as_run(rows[0]) if rows else None


def cancel_suspended(warehouse: Warehouse, tenant_id: str, run_id: str) -> Run | None:
    """Close a run that waits while its tenant may not run. None: it may, or it waits no more."""
    status = warehouse.read(sql.PROFILE_STATUS, tenant_id=tenant_id)
    rows = warehouse.read(sql.RUN.format(tenant=tenant_id), run_id=run_id)
    waits = bool(rows) and (rows[0]["status"], rows[0]["worker_instance"]) == ("PENDING", QUEUE)
    if not waits or (status and status[0]["status"] == "ACTIVE"):
        return None
    told = (status[0]["status"] or "without a status").lower() if status else "gone"
    return cancel(warehouse, tenant_id, run_id, f"tenant is {told}: it was not run")


def handing_back(run_id: str, me: str | None) -> tuple[tuple[sql.Named, ...], dict[str, Value]]:
    """The transaction that lets a run taken up by `me` wait again, as if it had never begun."""
    return (("HAND_BACK", 0), ("DROP_RUN_STEPS", 0), ("RUN", 0)), {
        "run_id": run_id,
        "me": me,
        "queue": QUEUE,
        "lease_expires_at": datetime.now(UTC) + QUEUE_PATIENCE,
    }


def _is_likely(warehouse: Warehouse, request: Request) -> bool:
    """Close dead runs; whether a claim made now would be granted, and its turn come at once."""
    today = datetime.now(UTC).date()
    rows = warehouse.read(
        sql.LOOK_AHEAD.format(tenant=request.tenant_id),
        tenant_id=request.tenant_id,
        today=today,
        month_start=today.replace(day=1),
    )
    active = [row for row in rows if row["pipeline_logging_id"]]
    end_dead(warehouse, request.tenant_id, active)
    return (
        bool(rows)
        and rows[0]["refusal"] is None
        and not any(
            row["worker_instance"] != QUEUE
            or (
                row["pipeline_id"] == request.pipeline_id
                and row["run_date"] <= request.to_date
                and row["to_date"] >= request.from_date
            )
            for row in active
        )
    )


def end_dead_leases(warehouse: Warehouse, tenant_id: str) -> None:
    """Close what nobody runs any more: its lease is over, or its process on this host is gone.

    Whoever looks at a tenant's runs calls this first, so that no run stays RUNNING for ever.
    """
    end_dead(warehouse, tenant_id, warehouse.read(sql.ACTIVE_RUNS.format(tenant=tenant_id)))


def end_dead(warehouse: Warehouse, tenant_id: str, active: Sequence[Row]) -> int:
    """Close those of the active runs (rows of ACTIVE_RUNS) that are dead; how many that were."""
    now = datetime.now(UTC)
    dead = [row for row in active if is_gone(row["worker_instance"], row["start_time"])]
    closed = len([row for row in active if row in dead or row["lease_expires_at"] <= now])
    if not closed:
        return 0
    values: dict[str, Value] = {
        f"dead_{n}": row["pipeline_logging_id"] for n, row in enumerate(dead)
    }
    warehouse.write(
        sql.CLAIM_LOCK.format(tenant=tenant_id),
        *(sql.END_LEASE.format(tenant=tenant_id, n=n) for n in range(len(dead))),
        *(statement.format(tenant=tenant_id) for statement in (*_EXPIRE, sql.MISSING_EVENTS)),
        run_id="sweep",
        now=now,
        **values,
    )
    return closed


def is_ours(warehouse: Warehouse, run: Run, status: str | None = None) -> bool:
    """Whether the run is still active; False once somebody cancelled it or took it for dead.

    `status`: as just read, if it was. A warehouse that does not answer leaves it ours: the end
    will tell.
    """
    if status is None:
        try:
            rows = warehouse.read(sql.RUN_STATUS.format(tenant=run.tenant_id), run_id=run.id)
        except WarehouseProblem:
            return True
        status = rows[0]["status"] if rows else None
    return status in ACTIVE


def cancel(warehouse: Warehouse, tenant_id: str, run_id: str, why: str) -> Run | None:
    """Close an active run as CANCELLED; its process stops at its next look. None: it had ended."""
    now = datetime.now(UTC)
    rows = warehouse.write(
        sql.CANCEL_STEPS.format(tenant=tenant_id),
        sql.CANCEL.format(tenant=tenant_id),
        sql.FINISH_EVENT.format(tenant=tenant_id),
        sql.RUN.format(tenant=tenant_id),
        run_id=run_id,
        now=now,
        error_message=why,
    )
    was_ours = bool(rows) and rows[0]["status"] == "CANCELLED" and rows[0]["end_time"] == now
    return as_run(rows[0]) if was_ours else None


def is_gone(worker_instance: str | None, since: datetime) -> bool:
    """Whether a host:pid is on this host and no longer the process that it was at that moment.

    False for other hosts, and where the kernel does not tell.
    """
    host, _, process = (worker_instance or "").rpartition(":")
    pid, _, moment = process.partition("@")
    if host != this_host() or not pid.isdigit():
        return False
    with contextlib.suppress(ValueError):
        since = datetime.fromtimestamp(float(moment), UTC)  # when it took the run up
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    try:
        # The pid may have been given to another program since.
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        began = _began(pid)
    except (OSError, ValueError, IndexError, StopIteration):
        return False
    is_python = b"runner" in command or b"python" in command
    return not is_python or began > since + CLOCK_TOLERANCE


def _began(pid: str) -> datetime:
    """When a process of this host began, by the kernel's clock."""
    lines = Path("/proc/stat").read_text(encoding="ascii").splitlines()
    booted = next(int(line.split()[1]) for line in lines if line.startswith("btime"))
    # The name, in parentheses, may hold anything.
    fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    return datetime.fromtimestamp(booted + int(fields[19]) / os.sysconf("SC_CLK_TCK"), UTC)


def as_run(row: Row, deduplicated: bool = False) -> Run:
    """A row with control_sql.RUN_COLUMNS as a Run."""
    return Run(
        id=row["pipeline_logging_id"],
        pipeline_id=row["pipeline_id"],
        tenant_id=row["tenant_id"],
        status=row["status"],
        run_date=row["run_date"],
        to_date=row["to_date"],
        start_time=row["start_time"],
        end_time=row["end_time"],
        duration_ms=row["duration_ms"],
        trigger_type=row["trigger_type"],
        trigger_by=row["trigger_by"],
        error_message=row["error_message"],
        template=row["template"],
        row_count=row["row_count"],
        user_id=row["user_id"],
        warnings=tuple(parsed(row["warnings"]) or ()),
        deduplicated=deduplicated,
        worker_instance=row["worker_instance"],
    )


def refuse(warehouse: Warehouse, request: Request, project_dir: Path, why: str) -> None:
    """Leave a REFUSED run with this reason."""
    warehouse.write(
        sql.REFUSE.format(tenant=request.tenant_id),
        sql.CLAIM_EVENT.format(tenant=request.tenant_id),
        reason=why,
        now=datetime.now(UTC),
        **_values(request, project_dir, str(uuid.uuid4())),
    )


def _values(request: Request, project_dir: Path, run_id: str) -> dict[str, Value]:
    """What a run's row is made from."""
    return {
        "run_id": run_id,
        "tenant_id": request.tenant_id,
        "pipeline_id": request.pipeline_id,
        "template": request.template,
        "from_date": request.from_date,
        "to_date": request.to_date,
        "trigger_type": request.trigger_type,
        "trigger_by": request.trigger_by,
        "user_id": request.user_id,
        "config_version": _git_commit(project_dir),
        "worker_instance": QUEUE if request.queued else hostname_and_pid(),
        "parameters": json.dumps(
            {
                "date": request.from_date.isoformat(),
                "to_date": request.to_date.isoformat(),
                "trigger_by": request.trigger_by,
            }
        ),
    }


@cache
def _git_commit(project_dir: Path) -> str:
    """The project's commit, `unknown` outside a checkout."""
    try:
        answer = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"],
            cwd=project_dir,
            capture_output=True,
            text=True,
            timeout=5,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return answer.stdout.strip() if answer.returncode == 0 else "unknown"
