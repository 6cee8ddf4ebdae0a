"""Runs that wait in the warehouse: executed by threads with warm dbt processes, also after a
restart."""

import logging
import signal
import threading
from collections.abc import Collection
from dataclasses import dataclass, replace

from runner import logs
from runner.api.metrics import Metrics
from runner.api.threads import ThreadContexts, join, logged
from runner.context import Context, Stop
from runner.control import claim, queue, runs, runs_sql, tenants
from runner.control.store import Store
from runner.dates import DateRange
from runner.engine.job import Event
from runner.engine.pool import Pool
from runner.errors import NotInitialised, UsageProblem
from runner.orchestration import claiming, landings
from runner.orchestration import run as one_run
from runner.pipelines import templates

log = logging.getLogger(__name__)

# How long a run waits for what other programs have open, as one of the command line does.
PATIENCE_SECONDS = 60.0
# How long a run may take to end once it has been stopped, dbt's own end included.
STOP_SECONDS = 30.0


@dataclass(frozen=True)
class Progress:
    """How far a run that is at work here has come; `total` is 0 until dbt has planned."""

    total: int = 0
    done: int = 0
    at_work: str = ""

    def after(self, event: Event) -> "Progress":
        """The progress once this has happened."""
        if event.kind == "planned":
            return replace(self, total=event.nodes, done=0)
        if event.kind == "finished":
            return replace(self, done=self.done + 1)
        if event.kind in ("warning", "terminal"):
            return self
        return replace(self, at_work=event.name)


class RunQueue:
    """`workers` runs at once; none of a tenant that is building, here or elsewhere.

    What waits is in the warehouse: a restart finds it again, and of several services one dequeues
    a run.
    """

    def __init__(
        self, contexts: ThreadContexts, metrics: Metrics, workers: int, grace_seconds: float
    ) -> None:
        self._contexts = contexts
        self._metrics = metrics
        self._grace_seconds = grace_seconds
        self._pool = Pool(contexts.settings)
        self._stop = Stop()
        self._waiting: dict[str, str] = {}  # run id -> tenant, in order
        self._at_work: dict[str, str] = {}
        # Tenants of which another process has a run, as of the last sweep or try.
        self._building: set[str] = set()
        self._progress: dict[str, Progress] = {}
        # Names by which runs were, or may have been, dequeued before an error. By name, not by host
        # and pid: containers may have both alike.
        self._lost: set[str] = set()
        self._change = threading.Condition()
        self._is_closing = False
        self._threads = [
            threading.Thread(target=self._work, name=f"run-{n}", daemon=True)
            for n in range(workers)
        ]
        metrics.watch_queue(lambda: self.length, lambda: self.active)

    def start(self) -> None:
        """Begin to work, with a warm dbt process."""
        self._pool.warm_up()
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Dequeue no more; wait `grace_seconds` for what is at work, then requeue it."""
        with self._change:
            self._is_closing = True
            self._change.notify_all()
        join(self._threads, self._grace_seconds)
        self._stop.now(signal.SIGTERM)
        join(self._threads, STOP_SECONDS)
        self._pool.close()

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
        """Have a waiting run dequeued as soon as a thread is free."""
        with self._change:
            if run_id not in self._at_work:
                self._waiting.setdefault(run_id, tenant_id)
                self._change.notify()

    def sweep(self, store: Store, tenant_id: str) -> None:
        """Take note of a tenant's waiting runs, of other services, too; close its dead ones."""
        with self._change:
            here = set(self._at_work)
        found = queue.sweep(store, tenant_id, self._lost)
        self._metrics.runs_failed(found.closed)
        with self._change:
            # What began here while the rows were read is no other process's, either.
            if found.owned - here - set(self._at_work):
                self._building.add(tenant_id)
            else:
                self._building.discard(tenant_id)
                self._change.notify_all()
        for run_id in found.waiting:
            self.put(tenant_id, run_id)

    def forget_building(self, but: Collection[str]) -> None:
        """Only these tenants may have runs in other processes."""
        with self._change:
            self._building.intersection_update(but)

    def _next(self) -> tuple[str, str] | None:
        """The next run that may begin, now at work; None at the end."""
        with self._change:
            while not self._is_closing:
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
            with logged(f"run {run_id} of {tenant_id}"):
                self._run(tenant_id, run_id)
            self._progress.pop(run_id, None)
            with self._change:
                self._at_work.pop(run_id, None)
                self._change.notify_all()

    def _run(self, tenant_id: str, run_id: str) -> None:
        """Dequeue the run, if it still waits and may begin, and execute it."""
        context = self._contexts.waiting(PATIENCE_SECONDS)
        context = replace(context, pool=self._pool, stop=self._stop)
        store, name = context.store, queue.worker_name()
        row = store.read(runs_sql.RUN.format(tenant=tenant_id), run_id=run_id)[0]
        if row["status"] != "PENDING":
            return  # another service has dequeued it, or it was cancelled
        try:
            template = templates.load(row["template"])
            request = claiming.request_of(
                context.settings,
                tenants.known(store, tenant_id),
                template,
                DateRange(row["run_date"], row["to_date"]),
                claim.Trigger(row["trigger_type"], row["trigger_by"], row["user_id"]),
            )
            request = replace(request, queued=True)
            landings.require_dates(store, request)
        except (landings.LandingIsActive, NotInitialised) as later:
            log.info("run %s of %s waits: %s", run_id, tenant_id, later.message)
            return  # the next sweep puts it again
        except UsageProblem as problem:
            runs.cancel(store, tenant_id, run_id, problem.message)
            return
        try:
            minutes = template.step.timeout_minutes
            run = queue.dequeue(store, tenant_id, run_id, minutes, name)
            if run:
                self._execute(context, template, request, run)
            elif queue.cancel_suspended(store, tenant_id, run_id):
                log.warning("run %s of %s: its tenant may not run now", run_id, tenant_id)
            else:  # the next sweep puts it again, if it still waits
                with self._change:
                    self._building.add(tenant_id)
        except BaseException:
            self._lost.add(name)
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
            with logs.of_run(context.settings, run.id, run.tenant_id):
                report = one_run.execute(
                    replace(context, on_event=on_event), template, request, run
                )
        except BaseException:
            self._metrics.runs_failed(1)
            raise
        self._metrics.run_ended(report)
