"""The queue of the service: threads with warm dbt processes execute the queued runs."""

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

# How long a run waits for a file that another program has open, as on the command line.
PATIENCE_SECONDS = 60.0
# How long a stopped run may take to end, including dbt.
STOP_SECONDS = 30.0


@dataclass(frozen=True)
class Progress:
    """The progress of a run that this process builds; `total` is 0 until dbt has planned."""

    total: int = 0
    done: int = 0
    at_work: str = ""

    def after(self, event: Event) -> "Progress":
        """The progress after this event."""
        if event.kind == "planned":
            return replace(self, total=event.nodes, done=0)
        if event.kind == "finished":
            return replace(self, done=self.done + 1)
        if event.kind in ("warning", "terminal"):
            return self
        return replace(self, at_work=event.name)


class RunQueue:
    """Executes `workers` runs at once, and only one run of a tenant, in any process.

    The queue is in the warehouse: it survives a restart, and only one of several services dequeues
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
        # Tenants of which another process builds a run, by the last sweep or attempt.
        self._building: set[str] = set()
        self._progress: dict[str, Progress] = {}
        # Names under which runs were, or may have been, dequeued before an error. Not host and
        # pid, which two containers may share.
        self._lost: set[str] = set()
        self._change = threading.Condition()
        self._is_closing = False
        self._threads = [
            threading.Thread(target=self._work, name=f"run-{n}", daemon=True)
            for n in range(workers)
        ]
        metrics.watch_queue(lambda: self.length, lambda: self.active)

    def start(self) -> None:
        """Start the threads and a warm dbt process."""
        self._pool.warm_up()
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Dequeue no more runs; wait `grace_seconds` for active ones, then requeue them."""
        with self._change:
            self._is_closing = True
            self._change.notify_all()
        join(self._threads, self._grace_seconds)
        self._stop.now(signal.SIGTERM)
        join(self._threads, STOP_SECONDS)
        self._pool.close()

    @property
    def length(self) -> int:
        """Queued runs that this process knows of."""
        return len(self._waiting)

    @property
    def active(self) -> int:
        """Runs that this process builds."""
        return len(self._at_work)

    def progress(self, run_id: str) -> Progress | None:
        """The progress of a run; None when this process does not build it."""
        return self._progress.get(run_id)

    def put(self, tenant_id: str, run_id: str) -> None:
        """Add a queued run, to be dequeued as soon as a thread is free."""
        with self._change:
            if run_id not in self._at_work:
                self._waiting.setdefault(run_id, tenant_id)
                self._change.notify()

    def sweep(self, store: Store, tenant_id: str) -> None:
        """Add a tenant's queued runs, also of other services; close its dead runs."""
        with self._change:
            here = set(self._at_work)
        found = queue.sweep(store, tenant_id, self._lost)
        self._metrics.runs_failed(found.closed)
        with self._change:
            # Includes runs that this process started while the rows were read.
            if found.owned - here - set(self._at_work):
                self._building.add(tenant_id)
            else:
                self._building.discard(tenant_id)
                self._change.notify_all()
        for run_id in found.waiting:
            self.put(tenant_id, run_id)

    def limit_building(self, busy: Collection[str]) -> None:
        """Only the `busy` tenants may have runs in other processes."""
        with self._change:
            self._building.intersection_update(busy)

    def _next(self) -> tuple[str, str] | None:
        """The next run that may start, marked as at work; None when the queue is closing."""
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
        """Dequeue the run, if it still waits and may start, and execute it."""
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
            return  # the next sweep adds it again
        except UsageProblem as problem:
            runs.cancel(store, tenant_id, run_id, problem.message)
            return
        try:
            minutes = template.step.timeout_minutes
            run = queue.dequeue(store, tenant_id, run_id, minutes, name)
            if run:
                self._execute(context, template, request, run)
            elif queue.cancel_suspended(store, tenant_id, run_id):
                log.warning("run %s of %s: the tenant is not active", run_id, tenant_id)
            else:  # if it still waits, the next sweep adds it again
                with self._change:
                    self._building.add(tenant_id)
        except BaseException:
            self._lost.add(name)
            raise

    def _execute(
        self, context: Context, template: templates.Template, request: claim.Request, run: runs.Run
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
