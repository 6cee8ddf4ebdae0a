"""What the service does beside answering, in two loops: reconciles runs, and maintenance."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from runner import logs
from runner.api.queue import PATIENCE_SECONDS, RunQueue
from runner.api.threads import ThreadContexts, join, logged
from runner.context import Context
from runner.control import queue_sql, spool, tenants
from runner.control.store import Store
from runner.orchestration import alerts

# In units of the store's poll_seconds: a second on the local target, 15 on BigQuery.
POLLS_PER_RECONCILE = 2
POLLS_PER_MAINTENANCE = 60
# An active run is younger than this: it may wait, and then take, a day.
OLDEST_ACTIVE = timedelta(days=3)
# How long what is under way may take to end; a mail server may not answer.
STOP_SECONDS = 5.0


class Upkeep:
    """Finds runs that wait or died; rotates the log, writes uses of keys, sends alerts that wait.

    The second is a loop of its own: a mail server may take long.
    """

    def __init__(
        self,
        contexts: ThreadContexts,
        queue: RunQueue,
        write_key_uses: Callable[[Store], None],
    ) -> None:
        self._contexts = contexts
        self._queue = queue
        self._write_key_uses = write_key_uses
        self._closing = threading.Event()
        self._swept = threading.Event()
        loops = ((self._reconcile, POLLS_PER_RECONCILE), (self.maintain, POLLS_PER_MAINTENANCE))
        self._threads = [
            threading.Thread(target=self._repeat, args=loop, name="upkeep", daemon=True)
            for loop in loops
        ]

    def start(self) -> None:
        """Begin the loops."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Begin nothing more."""
        self._closing.set()
        self._swept.set()

    def close(self) -> None:
        """Wait for the loops, but not for long, and write the last uses of keys."""
        join(self._threads, STOP_SECONDS)
        with logged("the last uses of keys"):
            self._write_key_uses(self._contexts.waiting(PATIENCE_SECONDS).store)

    def sweep(self, store: Store) -> None:
        """Put what waits, also of other services, into the queue; close what died on the way."""
        since = datetime.now(UTC) - OLDEST_ACTIVE
        busy = [row["tenant_id"] for row in store.read(queue_sql.BUSY_TENANTS, since=since)]
        self._queue.forget_building(but=busy)
        for tenant_id in busy:
            # One tenant's missing table must not hold up the others.
            with logged(f"the sweep of {tenant_id}"):
                self._queue.sweep(store, tenant_id)

    def maintain(self, context: Context) -> None:
        """Each part for itself: one that fails keeps no other from its turn."""
        # Runs that the last service left are closed by the first sweep, and then mailed.
        self._swept.wait()
        if self._closing.is_set():
            return
        with logged("maintenance of the log"):
            logs.rotate(context.settings)
        with logged("maintenance of keys"):
            self._write_key_uses(context.store)
        with logged("maintenance of mail"):
            for tenant in tenants.every(context.store):
                if self._closing.is_set():
                    return  # a mail server that does not answer would hold up the end, too
                alerts.deliver(context, tenant.id)

    def _reconcile(self, context: Context) -> None:
        try:
            # Before dead runs are closed: the end of one may be known, and wait on disk.
            spool.drain(context.settings, context.store)
            self.sweep(context.store)
        finally:
            self._swept.set()

    def _repeat(self, act: Callable[[Context], None], polls: int) -> None:
        """Act until the end, with so many of the store's polls in between."""
        pause = 60.0
        while not self._closing.is_set():
            with logged("upkeep"):
                context = self._contexts.waiting(PATIENCE_SECONDS)
                pause = context.store.poll_seconds * polls
                act(context)
            self._closing.wait(pause)
