"""What the routes share: the parts of the service, and authenticated calls."""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import anyio
from anyio.to_thread import run_sync
from fastapi import Depends, Path, Request, Security

from runner import sql
from runner.api import errors, schemas
from runner.api.auth import ADMIN, API_KEY, Access, Authenticator, Principal
from runner.api.errors import Problem
from runner.api.metrics import Metrics
from runner.api.queue import RunQueue
from runner.api.threads import ThreadContexts
from runner.api.upkeep import Upkeep
from runner.context import Context
from runner.control.store import Store
from runner.errors import (
    AccountRefused,
    NotInitialised,
    RunnerError,
    UsageProblem,
    WarehouseProblem,
)
from runner.settings import Settings
from runner.sql import Row, Value

log = logging.getLogger(__name__)

# How long a request waits for the control tables while other commands write.
PATIENCE_SECONDS = 5.0
# Few requests wait for a tenant's data, and not for long: a run has the file for minutes, and each
# request that waits uses one of the threads that answer all requests.
DATA_PATIENCE_SECONDS = 0.5
READERS = 16
READERS_OF_A_TENANT = 4
# /health checks the warehouse once in HEALTH_SECONDS, with these timeouts: a probe gives up after
# a few seconds.
HEALTH_SECONDS = 2.0
HEALTH_TIMEOUT_SECONDS = 5.0
HEALTH_PATIENCE_SECONDS = 1.0


class Service:
    """The parts of one service."""

    def __init__(
        self, settings: Settings, access: Access, workers: int, grace_seconds: float
    ) -> None:
        self.settings = settings
        self.is_open = access.is_open
        self._contexts = ThreadContexts(settings)
        self.authenticator = Authenticator(access, lambda: self.context().store)
        self.metrics = Metrics()
        self.queue = RunQueue(self._contexts, self.metrics, workers, grace_seconds)
        self.upkeep = Upkeep(self._contexts, self.queue, self.authenticator.write_uses)
        self.onboarding = threading.Lock()
        self.health = Health(self._contexts)
        self._is_made = False
        self._readers = threading.BoundedSemaphore(READERS)
        self._readers_of: dict[str, threading.BoundedSemaphore] = {}

    def start(self) -> None:
        """Start to execute queued runs."""
        self.queue.start()
        self.upkeep.start()

    def close(self) -> None:
        """Execute no more runs; runs that do not end in time are requeued."""
        self.upkeep.stop()
        self.queue.close()
        self.upkeep.close()

    def context(self) -> Context:
        """The current thread's context. Raises NotInitialised before `runner init`."""
        context = self._contexts.waiting(PATIENCE_SECONDS)
        if not self._is_made and not context.store.exists():
            raise NotInitialised("The warehouse does not exist yet: run `runner init`.")
        self._is_made = True
        return context

    def data(self, tenant_id: str, statement: str, **values: Value) -> list[Row]:
        """Rows of the tenant's data. Raises Problem while a run has the tenant's file."""
        dataset = self._contexts.waiting(DATA_PATIENCE_SECONDS).dataset
        most = READERS_OF_A_TENANT if dataset.single_writer else READERS
        readers = self._readers_of.setdefault(tenant_id, threading.BoundedSemaphore(most))
        with _slot(self._readers, tenant_id), _slot(readers, tenant_id):
            try:
                return dataset.read(tenant_id, statement.format(tenant=tenant_id), **values)
            except AccountRefused:
                raise  # a retry would not help
            except WarehouseProblem as error:
                raise _no_data_now(tenant_id) from error
            except UsageProblem:
                return []  # no run has made the file yet


class Health:
    """Whether the warehouse can be reached: one check at a time, its result cached."""

    def __init__(self, contexts: ThreadContexts) -> None:
        self._contexts = contexts
        self._is_reachable: bool | None = None
        self._next_check = 0.0
        # The last check. A check that hangs keeps its thread, so no other starts before its end.
        self._check: asyncio.Task[bool] | None = None
        # Its own thread, so that the check does not wait for the threads of the routes.
        self._thread = anyio.CapacityLimiter(1)

    async def is_reachable(self) -> bool:
        """During a check, other calls get the last result; False after a check that hangs."""
        check, is_own = self._check, False
        if check is None or (check.done() and self._next_check <= time.monotonic()):
            check = self._check = asyncio.ensure_future(run_sync(self._probe, limiter=self._thread))
            is_own = True
        if is_own or self._is_reachable is None:
            done, _ = await asyncio.wait([check], timeout=HEALTH_TIMEOUT_SECONDS)
            self._is_reachable = bool(done) and check.result()
            self._next_check = time.monotonic() + HEALTH_SECONDS
        return self._is_reachable

    def _probe(self) -> bool:
        try:
            self._contexts.waiting(HEALTH_PATIENCE_SECONDS).store.read(sql.PROBE)
        except RunnerError as error:
            # /health is public: the file or project is only logged.
            log.warning("the warehouse cannot be reached: %s", error.message)
            return False
        return True


@contextlib.contextmanager
def _slot(slots: threading.BoundedSemaphore, tenant_id: str) -> Iterator[None]:
    """One of the slots. Raises Problem at once when none is free."""
    if not slots.acquire(blocking=False):
        raise _no_data_now(tenant_id)
    try:
        yield
    finally:
        slots.release()


def _no_data_now(tenant_id: str) -> Problem:
    return errors.busy(
        f"The data of {tenant_id} cannot be read now, such as while a run builds it: try again in"
        " a few seconds."
    )


@dataclass(frozen=True)
class Call:
    """A call by an authenticated principal."""

    service: Service
    principal: Principal

    @property
    def store(self) -> Store:
        """The control tables for the current thread."""
        return self.service.context().store


def service_of(request: Request) -> Service:
    """The service that handles the request."""
    found: Service = request.app.state.service
    return found


def needs(scope: str) -> Any:
    """A dependency: a call by a principal with this scope."""

    async def call(
        request: Request,
        service: Annotated[Service, Depends(service_of)],
        key: Annotated[str | None, Security(API_KEY)],
    ) -> Call:
        return Call(service, await service.authenticator.principal(request, key, scope))

    return Depends(call)


TheService = Annotated[Service, Depends(service_of)]
Reader = Annotated[Call, needs("runs:read")]
Writer = Annotated[Call, needs("runs:write")]
Admin = Annotated[Call, needs(ADMIN)]
TenantId = Annotated[str, Path(examples=["acme1281"], max_length=200)]


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The errors of a route, for /openapi.json."""
    every = sorted({401, 403, 408, 413, 429, 431, 503, *statuses})
    return {status: {"model": schemas.Error} for status in every}
