"""The background work of the service, in two loops: the reconcile loop and maintenance."""

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
# No active run is older: it waits for at most a day, and builds for at most a day.
OLDEST_ACTIVE = timedelta(days=3)
# How long the loops may take to end, as a mail server may not answer.
STOP_SECONDS = 5.0


class Upkeep:
    """One loop finds queued and dead runs. The other rotates the log, writes the uses of keys and
    sends due alerts; it is separate because a mail server may be slow.
    """

    def __init__(
        self, contexts: ThreadContexts, queue: RunQueue, write_key_uses: Callable[[Store], None]
    ) -> None:
        self._contexts = contexts
        self._queue = queue
        self._write_key_uses = write_key_uses
        self._closing = threading.Event()
        self._has_reconciled = threading.Event()
        loops = ((self._reconcile, POLLS_PER_RECONCILE), (self.maintain, POLLS_PER_MAINTENANCE))
        self._threads = [
            threading.Thread(target=self._repeat, args=loop, name="upkeep", daemon=True)
            for loop in loops
        ]

    def start(self) -> None:
        """Start the loops."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Start no more work."""
        self._closing.set()
        self._has_reconciled.set()

    def close(self) -> None:
        """Wait for the loops up to STOP_SECONDS, and write the last uses of keys."""
        join(self._threads, STOP_SECONDS)
        with logged("the last uses of keys"):
            self._write_key_uses(self._contexts.waiting(PATIENCE_SECONDS).store)

    def sweep(self, store: Store) -> None:
        """Add queued runs, also of other services, to the queue; close dead runs."""
        since = datetime.now(UTC) - OLDEST_ACTIVE
        busy = [row["tenant_id"] for row in store.read(queue_sql.BUSY_TENANTS, since=since)]
        self._queue.limit_building(busy)
        for tenant_id in busy:
            # One tenant's missing table must not stop the others.
            with logged(f"the sweep of {tenant_id}"):
                self._queue.sweep(store, tenant_id)

    def maintain(self, context: Context) -> None:
        """Rotate the log, write the uses of keys, send mails; an error in one skips no other."""
        # The first sweep closes the dead runs of the last service; then their alerts are mailed.
        self._has_reconciled.wait()
        if self._closing.is_set():
            return
        with logged("maintenance of the log"):
            logs.rotate(context.settings)
        with logged("maintenance of keys"):
            self._write_key_uses(context.store)
        with logged("maintenance of mail"):
            for tenant in tenants.every(context.store):
                if self._closing.is_set():
                    return  # a mail server that does not answer would delay the end
                alerts.deliver(context, tenant.id)

    def _reconcile(self, context: Context) -> None:
        try:
            # Before dead runs are closed: the end of one may be in the spool.
            spool.drain(context.settings, context.store)
            self.sweep(context.store)
        finally:
            self._has_reconciled.set()

    def _repeat(self, act: Callable[[Context], None], polls: int) -> None:
        """Repeat the act until the end, with a pause of `polls` times the store's poll_seconds."""
        pause = 60.0
        while not self._closing.is_set():
            with logged("upkeep"):
                context = self._contexts.waiting(PATIENCE_SECONDS)
                pause = context.store.poll_seconds * polls
                act(context)
            self._closing.wait(pause)
