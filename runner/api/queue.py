"""Runs that were asked for: taken up by threads with warm dbt processes, also after a restart."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from runner import logs
from runner.context import Context
from runner.control import claim, queue, queue_sql, runs, runs_sql, spool, tenants
from runner.control.store import Store
from runner.engine.job import Event
from runner.engine.pool import Pool
from runner.errors import RunnerError, UsageProblem
from runner.mailing import Mailbox
from runner.orchestration import alerts, claiming, landings
from runner.orchestration import run as one_run
from runner.orchestration.report import Report
from runner.orchestration.threads import Stop
from runner.pipelines import templates
from runner.settings import Settings

log = logging.getLogger(__name__)

# In units of the warehouse's own pause between two looks: a second on DuckDB, 15 on BigQuery.
LOOKS_BETWEEN_SWEEPS = 2
LOOKS_BETWEEN_CHORES = 60
# So long a run that is told to stop may take, dbt's own end included.
STOP_SECONDS = 30.0
# An active run is younger than this: it may wait, and then take, a day.
OLDEST_ACTIVE = timedelta(days=3)


@dataclass(frozen=True)
class Progress:
    """How far a run that is at work here has come; `total` is 0 until dbt has planned."""

    total: int = 0
    done: int = 0
    at_work: str = ""

    def after(self, event: Event) -> "Progress":
        """Once this has happened."""
        if event.kind == "planned":
            return replace(self, total=event.nodes)
        if event.kind == "finished":
            return replace(self, done=self.done + 1)
        if event.kind in ("warning", "terminal"):
            return self
        return replace(self, at_work=event.name)


class Backlog:
    """`workers` runs at once; none of a tenant that is building, here or elsewhere.

    What waits is in the warehouse, not here: a restart finds it again, and of several services
    one takes a run up. Use as a context manager; its end leaves what waits waiting, gives what is
    at work `grace_seconds` to end, then hands that back to wait, too.
    """

    def __init__(
        self,
        settings: Settings,
        mailbox: Mailbox,
        store: Callable[[], Warehouse],
        workers: int,
        grace_seconds: float,
        on_end: Callable[[Report], None],
        on_failed: Callable[[int], None],
        chores: Callable[[Warehouse], None],
    ) -> None:
        self._settings = settings
        self._mailbox = mailbox
        self._context = store
        self._grace_seconds = grace_seconds
        self._on_end = on_end
        self._on_failed = on_failed
        self._chores = chores
        self._pool = Pool(settings)
        self._waiting: dict[str, str] = {}  # run id -> tenant, in order
        self._at_work: dict[str, str] = {}
        # Tenants of which another process has a run, as of the last sweep or try.
        self._building: set[str] = set()
        self._progress: dict[str, Progress] = {}
        # Names by which runs were taken up, or nobody knows whether they were, and that then broke.
        # By name, not by host and pid: containers may have both alike.
        self._lost: set[str] = set()
        self._change = threading.Condition()
        self._closing = threading.Event()
        self._swept = threading.Event()
        self._stop = Stop()
        self._threads = [
            threading.Thread(target=self._work, name=f"run-{n}", daemon=True)
            for n in range(workers)
        ]
        self._keepers = [
            threading.Thread(target=self._keep, name="keeper", daemon=True),
            threading.Thread(target=self._tidy, name="tidier", daemon=True),
        ]

    def __enter__(self) -> "Backlog":
        for _ in self._threads[:1]:
            self._pool.warm_up()
        for thread in (*self._threads, *self._keepers):
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def length(self) -> int:
        """Runs that wait, as far as this process knows."""
        return len(self._waiting)

    @property
    def active(self) -> int:
        """Runs at work in this process."""
        return len(self._at_work)

    def progress(self, run_id: str) -> Progress | None:
        """How far a run is; None when it is not at work here."""
        return self._progress.get(run_id)

    def put(self, tenant_id: str, run_id: str) -> None:
        """Have a waiting run taken up as soon as a thread is free."""
        with self._change:
            if run_id not in self._at_work:
                self._waiting.setdefault(run_id, tenant_id)
                self._change.notify()

    def close(self) -> None:
        """Take up no more; wait for what is at work, then hand it back."""
        import signal

        self._closing.set()
        with self._change:
            self._change.notify_all()
        deadline = time.monotonic() + self._grace_seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._stop.now(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        for thread in (*self._threads, *self._keepers):
            thread.join(max(0.0, deadline - time.monotonic()))
        self._pool.close()
        try:
            self._chores(self._context())
        except Exception:  # the end of a service is no place to break
            log.exception("the last uses of keys were not written")

    def _next(self) -> tuple[str, str] | None:
        """The next run that may begin, now at work; None at the end."""
        with self._change:
            while not self._closing.is_set():
                busy = {*self._at_work.values(), *self._building}
                for run_id, tenant_id in self._waiting.items():
                    if tenant_id not in busy:
                        del self._waiting[run_id]
                        self._at_work[run_id] = tenant_id
                        return tenant_id, run_id
                self._change.wait(5)
        return None

    def _work(self) -> None:
        while found := self._next():
            tenant_id, run_id = found
            try:
                self._do(tenant_id, run_id)
            except RunnerError as error:
                log.warning("run %s of %s: %s", run_id, tenant_id, error.message)
            except Exception:
                log.exception("run %s of %s broke", run_id, tenant_id)
            finally:
                self._progress.pop(run_id, None)
                with self._change:
                    self._at_work.pop(run_id, None)
                    self._change.notify_all()

    def _do(self, tenant_id: str, run_id: str) -> None:
        """Take the run up, if it still waits, and see it to its end."""
        context = self._context()
        row = context.store.read(runs_sql.RUN.format(tenant=tenant_id), run_id=run_id)[0]
        if row["status"] != "PENDING":
            return  # another service has taken it up, or it was cancelled
        try:
            template = templates.load(row["template"])
        except UsageProblem as gone:
            runs.cancel(context.store, tenant_id, run_id, gone.message)
            return
        request = replace(
            claiming.request_for(
                context.store,
                tenant_id,
                template,
                row["run_date"],
                row["to_date"],
                row["trigger_type"],
                row["trigger_by"],
            ),
            user_id=row["user_id"],
            queued=True,
        )
        try:
            landings.require_dates(context.store, request)
        except landings.LandingIsActive:
            return  # it waits: the next sweep puts it again
        except landings.DatesNotLanded as lacking:
            runs.cancel(context.store, tenant_id, run_id, lacking.message)
            return
        me = queue.name_of_taker()
        try:
            run = queue.take_up(context.store, tenant_id, run_id, template.step.timeout_minutes, me)
            if run is None:
                if queue.cancel_suspended(context.store, tenant_id, run_id):
                    log.warning("run %s of %s: its tenant may not run now", run_id, tenant_id)
                else:  # the next sweep puts it again, if it still waits
                    with self._change:
                        self._building.add(tenant_id)
                return
            self._execute(context, template, request, run)
        except BaseException:
            self._lost.add(me)
            raise

    def _execute(
        self,
        context: Context,
        template: templates.Template,
        request: claim.Request,
        run: runs.Run,
    ) -> None:
        self._progress[run.id] = Progress()

        def on_event(event: Event) -> None:
            self._progress[run.id] = self._progress[run.id].after(event)

        try:
            with logs.of_run(self._settings, run.id, run.tenant_id):
                report = one_run.execute(
                    *(self._settings, context, self._mailbox, template, request, run),
                    *(on_event, self._pool, self._stop),
                )
        except BaseException:
            self._on_failed(1)
            raise
        self._on_end(report)

    def _keep(self) -> None:
        """Find what waits and close what died."""

        def sweep(store: Store) -> None:
            try:
                # Before what looks dead is closed: its end may be known, and wait on disk.
                spool.drain(self._settings, store)
                self._sweep(store)
            finally:
                self._swept.set()

        self._again_and_again(sweep, LOOKS_BETWEEN_SWEEPS)

    def _tidy(self) -> None:
        """Do what commands do on the side; a mail server may take its time over it.

        What the last service left is closed by the first sweep, and then told.
        """
        while not self._closing.is_set() and not self._swept.wait(0.5):
            pass
        self._again_and_again(self._do_chores, LOOKS_BETWEEN_CHORES)

    def _again_and_again(self, act: Callable[[Warehouse], None], looks: int) -> None:
        """Until the end, with so many of the warehouse's own pauses in between."""
        while True:
            pause = 60.0
            try:
                context = self._context()
                pause = context.store.poll_seconds * looks
                act(context)
            except RunnerError as error:
                log.warning("the service waits: %s", error.message)
            except Exception:
                log.exception("the service's sweep broke")
            if self._closing.wait(pause):
                return

    def _sweep(self, store: Store) -> None:
        """Take note of every waiting run, of other services, too; close dead ones on the way."""
        since = datetime.now(UTC) - OLDEST_ACTIVE
        busy = [row["tenant_id"] for row in store.read(queue_sql.BUSY_TENANTS, since=since)]
        with self._change:
            self._building.intersection_update(busy)
        for tenant in busy:
            try:
                with self._change:
                    here = set(self._at_work)
                found = queue.sweep(store, tenant, self._lost)
                self._on_failed(found.closed)
                with self._change:
                    # What began here while the rows were read is no other process's, either.
                    if found.owned - here - set(self._at_work):
                        self._building.add(tenant)
                    else:
                        self._building.discard(tenant)
                        self._change.notify_all()
                for run_id in found.waiting:
                    self.put(tenant, run_id)
            except RunnerError as error:
                # One tenant's missing table must not hold up the others.
                log.warning("runs of %s wait: %s", tenant, error.message)

    def _do_chores(self, store: Store) -> None:
        """Each for itself: one that breaks keeps no other from its turn."""

        def mail() -> None:
            for tenant in tenants.every(store):
                if self._closing.is_set():
                    return  # a mail server that does not answer would hold up the end, too
                alerts.deliver(store, self._mailbox, self._settings.mail, tenant.id)

        chores: dict[str, Callable[[], None]] = {
            "log": lambda: logs.rotate(self._settings),
            "keys": lambda: self._chores(store),
            "mail": mail,
        }
        for name, chore in chores.items():
            try:
                chore()
            except RunnerError as error:
                log.warning("the service's chore %s waits: %s", name, error.message)
            except Exception:
                log.exception("the service's chore %s broke", name)
