"""The routes: each calls what the command line calls, and says the answer over HTTP."""

import asyncio
import contextlib
import json
import logging
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path as File
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.types import Scope

from runner import __version__, findings, mailing, sql
from runner.api import errors, schemas
from runner.api.auth import ADMIN, Access, Caller, Door
from runner.api.errors import Problem
from runner.api.metrics import Metrics
from runner.api.middleware import Frame
from runner.api.queue import Backlog
from runner.context import Context, open_context
from runner.control import accounts, claim, keys, quota, runs_sql, tenants
from runner.control import runs as control_runs
from runner.control.runs import steps_of
from runner.control.store import Store
from runner.dataset import data_sql, publications_sql
from runner.errors import (
    AccountRefused,
    NotInitialised,
    Refused,
    RunnerError,
    UsageProblem,
    WarehouseProblem,
)
from runner.onboarding import onboard as onboarding
from runner.orchestration import claiming as one_run
from runner.orchestration import landings, publications
from runner.orchestration.standing import standing_document
from runner.pipelines import templates
from runner.settings import Settings
from runner.sql import Row
from runner.text import money, to_json

log = logging.getLogger(__name__)

SERVICE = "gcp-tenant-cost"
STATIC = File(__file__).parent / "static"
FILES = {"page.js": "text/javascript", "page.css": "text/css"}
# An answer waits so long for a file that another program, such as a run, has open.
PATIENCE_SECONDS = 5.0
# A tenant's data is waited for no longer, and by few calls at once: a run that loads has its file
# for minutes, and each that waits holds one of the threads that answer everybody.
DATA_PATIENCE_SECONDS = 0.5
READERS = 16
# The warehouse is looked at once in so long for /health, and waited for no longer than this.
HEALTH_SECONDS = 2.0
PROBE_PATIENCE_SECONDS = 1.0
READERS_OF_A_TENANT = 4
# A look for dead runs before a claim is good for so long; the backlog's sweep looks as well.
LOOK_SECONDS = 5.0
# So long a tenant that was found is taken to be there; the claim looks for itself.
KNOWN_SECONDS = 5.0
DAYS_SHOWN = 31
MOST_DAYS = 366
MOST_ROWS = 1000

DESCRIPTION = """
What each tenant spends on Google Cloud: start runs, follow them, see what they found.
Send a key as the header `X-API-Key`. Every answer has an `X-Request-ID`; an error is JSON with
`error`, `message` (what to do) and `request_id`.
"""


class Service:
    """What the routes share. A warehouse client is a thread's own."""

    def __init__(self, settings: Settings, how: Access, workers: int, grace_seconds: float) -> None:
        self.settings = settings
        self.is_open = how.is_open
        self._local = threading.local()
        self.door = Door(how, self.context.store)
        self.backlog = Backlog(
            settings,
            mailing.SmtpMailbox(settings.mail),
            self.warehouse_of_a_run,
            workers,
            grace_seconds,
            lambda report: self.metrics.ended(report),
            lambda runs: self.metrics.failed(runs),
            self.door.write_uses,
        )
        self.metrics = Metrics(lambda: self.backlog.length, lambda: self.backlog.active)
        self.onboarding = threading.Lock()
        self._looked: dict[str, float] = {}
        self._asked: dict[tuple[str, str], tuple[float, claim.Request]] = {}
        self.template = cache(templates.load)
        self._is_made = False
        self._told: str | None = None
        self._next_probe = 0.0
        self._probing = asyncio.Lock()
        self._prober = ThreadPoolExecutor(1, "prober")
        self._readers = threading.BoundedSemaphore(READERS)
        self._readers_of: dict[str, threading.BoundedSemaphore] = {}

    def warehouse(self) -> Context:
        """For an answer, which does not wait long. Raises NotInitialised before `runner init`."""
        context = self._own("answer", PATIENCE_SECONDS)
        if not self._is_made and not context.store.exists():
            raise NotInitialised("The warehouse was never made: run `runner init`.")
        self._is_made = True
        return context

    def data(self, tenant_id: str, statement: str, **values: Any) -> list[Row]:
        """Rows of the tenant's data. On DuckDB a run that loads has the file: 503 then."""
        context = self._own("data", DATA_PATIENCE_SECONDS)
        of_tenant = self._readers_of.setdefault(
            tenant_id,
            threading.BoundedSemaphore(
                READERS_OF_A_TENANT if context.dataset.has_one_writer else READERS
            ),
        )
        with _place(self._readers, tenant_id), _place(of_tenant, tenant_id):
            try:
                return context.dataset.read(tenant_id, statement.format(tenant=tenant_id), **values)
            except AccountRefused:
                raise  # which passes by no waiting
            except WarehouseProblem as error:
                raise _no_data_now(tenant_id) from error
            except UsageProblem:
                return []  # no run has made the file yet

    def warehouse_of_a_run(self) -> Context:
        """For a run, which waits as long as the command line does."""
        return self._own("run", 60.0)

    def _own(self, name: str, patience_seconds: float) -> Context:
        found: Context | None = getattr(self._local, name, None)
        if found is None:
            found = open_context(self.settings, patience_seconds)
            setattr(self._local, name, found)
        return found

    def look(self, tenant_id: str) -> Callable[[], None] | None:
        """Whether a claim is to look for dead runs first: it need not each time, the sweep does."""
        now = time.monotonic()
        if self._looked.get(tenant_id, 0.0) + LOOK_SECONDS > now:
            return None
        self._looked[tenant_id] = now
        return lambda: None

    def asked(
        self,
        store: Store,
        tenant_id: str,
        template: templates.Template,
        first: date,
        last: date,
        trigger_by: str,
    ) -> claim.Request:
        """The request for these dates. Whose it is was looked up within seconds.

        Raises Problem for an unknown tenant.
        """
        at, known = self._asked.get((tenant_id, template.name), (0.0, None))
        if known is None or at <= time.monotonic():
            try:
                known = one_run.request_for(
                    store, tenant_id, template, first, last, "api", trigger_by
                )
            except NotInitialised:
                raise
            except UsageProblem as unknown:
                raise Problem(404, "unknown_tenant", unknown.message) from None
            self._asked[tenant_id, template.name] = (time.monotonic() + KNOWN_SECONDS, known)
        return replace(known, from_date=first, to_date=last, trigger_by=trigger_by, queued=True)

    async def health(self) -> str:
        """What is wrong with the warehouse, empty for nothing; asked at most every two seconds.

        By one call; the others have its last answer meanwhile, and none waits for a route's thread.
        """
        is_known = self._next_probe > time.monotonic() or self._probing.locked()
        if self._told is not None and is_known:
            return self._told
        async with self._probing:
            if self._next_probe <= time.monotonic():
                loop = asyncio.get_running_loop()
                self._told = await loop.run_in_executor(self._prober, self._probe)
                self._next_probe = time.monotonic() + HEALTH_SECONDS
        return self._told or ""

    def _probe(self) -> str:
        try:
            self._own("probe", PROBE_PATIENCE_SECONDS).read(sql.PROBE)
        except RunnerError as error:
            # Anybody may ask: which file or project it is stands in the log.
            log.warning("the warehouse cannot be reached: %s", error.message)
            return "unreachable"
        return ""

    def close(self) -> None:
        """End the threads that are ours alone."""
        self.door.close()
        self._prober.shutdown(wait=False, cancel_futures=True)


@contextlib.contextmanager
def _place(places: threading.BoundedSemaphore, tenant_id: str) -> Iterator[None]:
    """One of the places, if one is free now. Raises Problem at once when none is."""
    if not places.acquire(blocking=False):
        raise _no_data_now(tenant_id)
    try:
        yield
    finally:
        places.release()


def _no_data_now(tenant_id: str) -> Problem:
    return errors.busy(
        f"The data of {tenant_id} cannot be read now, such as while a run loads it: ask again in"
        " some seconds."
    )


def service_of(request: Request) -> Service:
    """The service that this is a request to."""
    found: Service = request.app.state.service
    return found


def needs(scope: str) -> Any:
    """A caller who may do this."""

    async def caller(request: Request, service: Annotated[Service, Depends(service_of)]) -> Caller:
        return await service.door.caller(request, scope)

    return Depends(caller)


The = Annotated[Service, Depends(service_of)]
Reader = Annotated[Caller, needs("runs:read")]
Writer = Annotated[Caller, needs("runs:write")]
Admin = Annotated[Caller, needs(ADMIN)]
TenantId = Annotated[str, Path(examples=["acme1281"], max_length=200)]
RunId = Annotated[str, Path(examples=[schemas.RUN_ID], max_length=200)]


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The errors of a route, for its description."""
    return {
        status: {"model": schemas.Error}
        for status in sorted({401, 403, 408, 413, 429, 431, 503, *statuses})
    }


def create(settings: Settings, how: Access, workers: int, grace_seconds: float) -> FastAPI:
    """The application. Its backlog works from startup to shutdown."""
    service = Service(settings, how, workers, grace_seconds)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with contextlib.ExitStack() as stack:
            stack.enter_context(service.backlog)
            yield
            await run_in_threadpool(stack.pop_all().close)
            service.close()

    app = FastAPI(
        title="Tenant cost",
        description=DESCRIPTION,
        version=__version__,
        # The pages that FastAPI would make load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.service = service
    for kind in (Problem, RunnerError):
        app.add_exception_handler(kind, errors.on_problem)
    app.add_exception_handler(RequestValidationError, errors.on_invalid)
    app.add_exception_handler(HTTPException, errors.on_http)

    def answered(scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "none")
        method = scope["method"] if scope["method"] in ("GET", "POST", "HEAD") else "other"
        service.metrics.answered(method, route, status, seconds)

    app.add_middleware(Frame, on_answer=answered, only_loopback=how.is_open)
    _routes(app)
    _describe_keys(app)
    return app


def _describe_keys(app: FastAPI) -> None:
    """Say in /openapi.json how a key is sent."""
    make = app.openapi

    def openapi() -> dict[str, Any]:
        document = make()
        document.setdefault("components", {})["securitySchemes"] = {
            "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"}
        }
        for path, methods in document["paths"].items():
            for operation in methods.values():
                operation["security"] = [{"key": []}] if path.startswith("/api/") else []
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _routes(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    def page() -> FileResponse:
        return FileResponse(STATIC / "page.html", media_type="text/html; charset=utf-8")

    @app.get("/static/{name}", include_in_schema=False)
    def static(name: str) -> FileResponse:
        if name not in FILES:
            raise HTTPException(404)
        return FileResponse(STATIC / name, media_type=FILES[name])

    @app.head("/health/live", include_in_schema=False)
    @app.get("/health/live", tags=["service"])
    async def live() -> schemas.Live:
        """Whether this process answers, whatever the warehouse does: for who restarts it."""
        return schemas.Live(status="ok", service=SERVICE, version=__version__)

    @app.head("/health", include_in_schema=False)
    @app.get("/health", tags=["service"], responses={503: {"model": schemas.Health}})
    async def health(service: The, response: Response) -> schemas.Health:
        """Service, version, environment, and whether the warehouse can be reached."""
        told = await service.health()
        if told:
            response.status_code = 503
        return schemas.Health(
            status="degraded" if told else "ok",
            service=SERVICE,
            version=__version__,
            environment=service.settings.environ.get("RUNNER_ENVIRONMENT") or "development",
            target=service.settings.target({"tenant_id": "none"}).name,
            auth="disabled" if service.is_open else "keys",
            warehouse=told or "reachable",
            queue_length=service.backlog.length,
            runs_active=service.backlog.active,
        )

    @app.get("/metrics", tags=["service"], response_class=Response)
    def metrics(service: The) -> Response:
        """Runs, rows, refusals, queue and answers of this process, for Prometheus."""
        return service.metrics.page()

    started: dict[int | str, dict[str, Any]] = {
        **problems(404, 409, 422),
        200: {"model": schemas.Accepted, "description": "An active run has these dates already"},
    }

    @app.post(
        "/api/v1/pipelines/run/{tenant_id}/{provider}/{domain}/{template_name}",
        status_code=202,
        tags=["runs"],
        responses=started,
    )
    def run_template(
        service: The,
        who: Writer,
        response: Response,
        tenant_id: TenantId,
        provider: Annotated[str, Path(examples=["gcp"], max_length=200)],
        domain: Annotated[str, Path(examples=["cost"], max_length=200)],
        template_name: Annotated[str, Path(examples=["cost_billing"], max_length=200)],
        body: schemas.Trigger,
    ) -> schemas.Accepted:
        """Claim the dates and answer at once; the run goes on in the background."""
        name = f"{provider}/{domain}/{template_name}"
        return _start(service, who, response, tenant_id, name, body)

    @app.post(
        "/api/v1/pipelines/run/{pipeline_id}",
        status_code=202,
        tags=["runs"],
        responses=started,
        deprecated=True,
    )
    def run_pipeline(
        service: The,
        who: Writer,
        response: Response,
        pipeline_id: Annotated[str, Path(examples=["acme1281-gcp-cost-billing"], max_length=200)],
        body: schemas.Trigger,
    ) -> schemas.Accepted:
        """The same by the pipeline's id. Use the path with tenant and template instead."""
        tenant_id, name = _named_by(pipeline_id)
        who.only(tenant_id)
        return _start(service, who, response, tenant_id, name, body)

    @app.get("/api/v1/pipelines/runs", tags=["runs"], responses=problems(404, 422))
    def runs(
        service: The,
        who: Reader,
        limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 20,
        status: schemas.Status | None = None,
        date: schemas.UsageDate | None = None,
        tenant_id: Annotated[str | None, Query(max_length=200)] = None,
    ) -> list[schemas.Run]:
        """Runs, newest first: of the key's tenant, with the admin key of all or the one named."""
        context = service.context()
        named = tenant_id if who.is_admin else who.tenant_id
        found: list[Row] = []
        for tenant in [_known(context.store, named)] if named else tenants.every(context.store):
            found += context.store.read(
                runs_sql.RUNS.format(tenant=tenant.id),
                status=status or "",
                day=date,
                pipeline="",
                limit=limit,
            )
        found.sort(key=lambda row: row["start_time"] or control_runs.LONG_AGO, reverse=True)
        return [_run(service, who, row) for row in found[:limit]]

    @app.get("/api/v1/pipelines/runs/{run_id}", tags=["runs"], responses=problems(404, 422))
    def run(service: The, who: Reader, run_id: RunId) -> schemas.RunInFull:
        """One run as it stands, and which runs published its dates last."""
        context = service.context()
        row = _row(context.store, who, run_id)
        _, published = publications.published_dates(context.store, control_runs.as_run(row))
        return schemas.RunInFull(
            **_run(service, who, row).model_dump(),
            publications=findings.parsed(row["publications"]),
            published_dates=[schemas.PublishedDates(**one) for one in standing_document(published)],
        )

    @app.get("/api/v1/pipelines/runs/{run_id}/steps", tags=["runs"], responses=problems(404, 422))
    def steps(service: The, who: Reader, run_id: RunId) -> list[schemas.Step]:
        """The steps of a run, in order, as far as it has come."""
        context = service.context()
        row = _row(context.store, who, run_id)
        return [
            schemas.Step(**{**step, **_told(who, step)})
            for step in steps_of(context.store, row["tenant_id"], run_id)
        ]

    @app.get(
        "/api/v1/pipelines/runs/{run_id}/dq-results", tags=["runs"], responses=problems(404, 422)
    )
    def quality(service: The, who: Reader, run_id: RunId) -> list[schemas.Quality]:
        """What the run's expectations found, by table and severity, failures first.

        503 while a run loads.
        """
        context = service.context()
        tenant_id = _row(context.store, who, run_id)["tenant_id"]
        return [
            schemas.Quality(
                table=row["target_table"],
                severity=row["severity"],
                status=row["overall_status"],
                expectations_passed=row["expectations_passed"],
                expectations_failed=row["expectations_failed"],
                failed_rows=row["failed_rows"],
                failed_expectations=_failed_expectations(who, row),
                message=_for(who, row["error_message"]),
                executed_at=row["executed_at"],
            )
            for row in service.data(tenant_id, publications_sql.DQ_RESULTS, run_id=run_id)
        ]

    @app.post(
        "/api/v1/pipelines/runs/{run_id}/cancel", tags=["runs"], responses=problems(404, 409, 422)
    )
    def cancel(service: The, who: Writer, run_id: RunId) -> schemas.Run:
        """Stop an active run: CANCELLED at once, its process ends within seconds."""
        context = service.context()
        row = _row(context.store, who, run_id)
        if not control_runs.cancel(
            context.store, row["tenant_id"], run_id, f"cancelled by {who.id}"
        ):
            ended = _row(context.store, who, run_id)["status"]
            raise Problem(409, "already_ended", f"Run {run_id} has ended already: it is {ended}.")
        return _run(service, who, _row(context.store, who, run_id))

    @app.get("/api/v1/tenants", tags=["tenants"], responses=problems())
    def all_tenants(service: The, who: Reader) -> list[schemas.Tenant]:
        """The key's tenant; with the admin key every one."""
        return [
            schemas.Tenant(
                tenant_id=one.id,
                company_name=one.company_name,
                status=one.status,
                plan=one.plan,
                pipeline=one.pipeline,
            )
            for one in tenants.every(service.context())
            if who.may_see(one.id)
        ]

    @app.get("/api/v1/tenants/{tenant_id}/quota", tags=["tenants"], responses=problems(404, 422))
    def quota_of(service: The, who: Reader, tenant_id: TenantId) -> schemas.Quota:
        """What the tenant has used of its limits, what is left, and when it resets."""
        context = service.context()
        return schemas.Quota(
            **quota.of(context.store, _known(context.store, tenant_id).id).document()
        )

    @app.get("/api/v1/tenants/{tenant_id}/costs", tags=["tenants"], responses=problems(404, 422))
    def costs(
        service: The,
        who: Reader,
        tenant_id: TenantId,
        from_date: schemas.UsageDate | None = None,
        to_date: schemas.UsageDate | None = None,
    ) -> list[schemas.Cost]:
        """Cost per usage date, service and currency; by default the newest 31 loaded dates."""
        context = service.context()
        tenant = _known(context.store, tenant_id).id
        first, last = _dates_shown(context.store, tenant, from_date, to_date)
        rows = service.data(tenant, data_sql.COSTS, from_date=first, to_date=last) if last else []
        amounts = ("gross_cost", "credits_total", "billed_cost")
        return [
            schemas.Cost(**{**row, **{name: money(row[name]) for name in amounts}}) for row in rows
        ]

    of_an_account = "/api/v1/tenants/{tenant_id}/credentials"

    @app.get(of_an_account, tags=["tenants"], responses=problems(404, 422))
    def account(service: The, who: Reader, tenant_id: TenantId) -> schemas.Credentials:
        """Which service account the tenant's data is read and written as."""
        context = service.context()
        told = accounts.of(context.store, _known(context.store, tenant_id).id)
        return schemas.Credentials.model_validate(told, from_attributes=True)

    @app.put(of_an_account, tags=["tenants"], responses=problems(404, 422))
    def set_account(
        service: The, who: Admin, tenant_id: TenantId, body: schemas.Account
    ) -> schemas.Credentials:
        """Act as this service account for the tenant's data, within half a minute."""
        context = service.context()
        tenant = _known(context.store, tenant_id).id
        told = accounts.put(context.store, tenant, body.impersonate, who.id)
        return schemas.Credentials.model_validate(told, from_attributes=True)

    @app.delete(of_an_account, tags=["tenants"], responses=problems(404, 422))
    def clear_account(service: The, who: Admin, tenant_id: TenantId) -> schemas.Credentials:
        """Go back to the service's own account for the tenant's data."""
        context = service.context()
        told = accounts.clear(context.store, _known(context.store, tenant_id).id, who.id)
        return schemas.Credentials.model_validate(told, from_attributes=True)

    @app.post(
        "/api/v1/tenants/onboard",
        status_code=201,
        tags=["tenants"],
        responses={**problems(422), 500: {"model": schemas.Error}},
    )
    def onboard(service: The, who: Admin, body: schemas.Onboarding) -> schemas.Onboarded:
        """Add a tenant or bring one up to date, as `runner tenant add` does; safe to send again.

        Takes some seconds: its tables are made and its export is looked at before the answer.
        """
        if not service.onboarding.acquire(blocking=False):
            raise errors.busy("Another tenant is being added: send it again then.", 15)
        try:
            messages: list[str] = []
            context = open_context(service.settings)
            plan = body.subscription_plan
            onboarding.onboard(
                service.settings,
                lambda: context,
                body.tenant_id,
                body.admin_email,
                body.company_name,
                tenants.PLANS[plan.lower()] if plan else None,
                tuple(body.exports),
                tuple(body.billing_accounts),
                tuple(body.projects),
                body.with_unallocated,
                body.all_accounts,
                body.landing,
                messages.append,
            )
            key = secret = None
            has_key = any(
                one.state == "active" for one in keys.of_tenant(context.store, body.tenant_id)
            )
            if body.create_key or (body.create_key is None and not has_key):
                key, secret = keys.create(
                    context.store, body.tenant_id, (), 365, who.id, "made at onboarding"
                )
        finally:
            service.onboarding.release()
        return schemas.Onboarded(
            tenant_id=body.tenant_id,
            status="ready",
            messages=messages,
            api_key=secret,
            api_key_id=key.id if key else None,
        )


def _start(
    service: Service, who: Caller, response: Response, tenant_id: str, name: str, body: Any
) -> schemas.Accepted:
    """Claim the dates for whoever takes the run up: 202; 200 when an active run has them all."""
    settings, context = service.settings, service.context()
    first, last = body.span_or_none()
    try:
        template = service.template(name)
    except UsageProblem as unknown:
        tenant = _known(context.store, tenant_id).id
        if templates.is_name(name):
            dates = (first, last, body.trigger_by)
            why = unknown.message
            one_run.refuse(settings, context.store, tenant, name, *dates, why, "api", who.id)
            log.info("run of %s for %s refused: %s", name, tenant, why)
        known = templates.names()
        raise Problem(404, "unknown_template", unknown.message, templates=known) from None
    if template.name == templates.LANDING:
        pipeline = _known(context.store, tenant_id).pipeline
        if pipeline != templates.LANDING:
            raise Problem(
                422,
                "not_a_landing",
                f"Tenant {tenant_id} is no landing, which {template.name} is for: run {pipeline}.",
            )
    asked = service.asked(context, tenant_id, template, first, last, body.trigger_by)
    request = replace(asked, user_id=who.id)
    run_id = str(uuid.uuid4())
    try:
        run = one_run.claimed(settings, context.store, request, run_id, service.look(tenant_id))
    except Refused as refusal:
        raise _refused(service, context.store, tenant_id, refusal) from None
    except landings.DatesNotLanded as lacking:
        raise Problem(409, "landing_not_ready", lacking.message) from None
    what = "has the dates already" if run.deduplicated else "claimed"
    log.info("run %s of %s %s: %s", run.id, tenant_id, what, control_runs.dates(run))
    if not run.deduplicated:
        service.backlog.put(tenant_id, run.id)
        did = f"Templated pipeline {name.rpartition('/')[2]} triggered successfully"
        return _accepted(run, f"{did} for {tenant_id} (async mode)")
    report = one_run.of_another(context.store, run, request)
    if not report.covered:
        told = report.outcome.error if report.outcome else ""
        raise Problem(
            409,
            "dates_are_shared",
            (told or "").replace("add --wait, or run again later", "send it again once it ended"),
            pipeline_logging_id=run.id,
            status=run.status,
        )
    response.status_code = 200
    return _accepted(run, f"Run {run.id} has these dates already and is {run.status}")


def _accepted(run: control_runs.Run, message: str) -> schemas.Accepted:
    return schemas.Accepted(
        pipeline_logging_id=run.id,
        pipeline_id=run.pipeline_id,
        tenant_id=run.tenant_id,
        status=run.status,  # type: ignore[arg-type]
        message=message,
        run_date=run.run_date,
        to_date=run.to_date,
        deduplicated=run.deduplicated,
    )


def _refused(service: Service, store: Store, tenant_id: str, refusal: Refused) -> Problem:
    """429 with what is left where time helps, 403 where somebody must."""
    run = refusal.run
    assert isinstance(run, control_runs.Run)
    log.info("run %s of %s refused: %s", run.id, tenant_id, run.error_message)
    if not one_run.is_over_quota(run):
        return Problem(403, "tenant_may_not_run", refusal.message, pipeline_logging_id=run.id)
    service.metrics.refusals.inc()
    told = quota.of(store, tenant_id)
    reset = [one.resets_at for one in told.limits if one.remaining == 0 and one.resets_at]
    # A run that is active frees its place when it ends: half a minute is a fair guess.
    seconds = max([30, *(int((at - datetime.now(UTC)).total_seconds()) + 1 for at in reset)])
    limits = json.loads(to_json(told.document()["limits"]))
    return Problem(
        429,
        "quota_exceeded",
        refusal.message,
        {"Retry-After": str(seconds)},
        pipeline_logging_id=run.id,
        limits=limits,
    )


def _named_by(pipeline_id: str) -> tuple[str, str]:
    """The tenant and the template of a pipeline's id. Raises Problem when no template makes it."""
    for name in templates.names():
        before, _, after = templates.load(name).pipeline_id.partition("{tenant_id}")
        tenant_id = pipeline_id.removeprefix(before).removesuffix(after)
        if f"{before}{tenant_id}{after}" == pipeline_id and tenant_id:
            return tenant_id, name
    raise Problem(
        404,
        "unknown_template",
        "No template makes a pipeline of this id: use"
        " POST /api/v1/pipelines/run/{tenant_id}/{provider}/{domain}/{template_name}.",
        templates=templates.names(),
    )


def _known(store: Store, tenant_id: str) -> tenants.Tenant:
    try:
        return tenants.find(store, tenant_id)
    except NotInitialised:
        raise
    except UsageProblem as unknown:
        raise Problem(404, "unknown_tenant", unknown.message) from None


def _row(store: Store, who: Caller, run_id: str) -> Row:
    """A run's row. Raises Problem: 404 when there is none, 403 when it is another tenant's."""
    with contextlib.suppress(ValueError):
        # As ids are written: another spelling is of no run, and need not be asked for.
        run_id = str(uuid.UUID(run_id))
        if who.tenant_id:
            # Mostly it is the caller's own, and the table of all tenants' events is not read.
            rows = store.read(runs_sql.RUN.format(tenant=who.tenant_id), run_id=run_id)
            if rows:
                return rows[0]
        found = store.read(runs_sql.TENANT_OF_RUN, run_id=run_id)
        if found:
            tenant_id = found[0]["tenant_id"]
            who.only(tenant_id)
            rows = store.read(runs_sql.RUN.format(tenant=tenant_id), run_id=run_id)
            if rows:
                return rows[0]
    raise Problem(
        404, "unknown_run", "There is no such run: see GET /api/v1/pipelines/runs for those."
    )


def _for(who: Caller, text: str | None) -> str | None:
    """A recorded message as this caller may read it: a tenant's key sees nothing of our insides."""
    return text if who.is_admin or text is None else errors.plain(text)


def _told(who: Caller, row: Row) -> dict[str, Any]:
    """The error and the warnings of a run or a step, as this caller may read them."""
    warnings = findings.parsed(row["warnings"]) or []
    return {
        "error_message": _for(who, row["error_message"]),
        "warnings": [_for(who, text) for text in warnings],
    }


def _run(service: Service, who: Caller, row: Row) -> schemas.Run:
    is_at_work = row["status"] == "RUNNING"
    at = service.backlog.progress(row["pipeline_logging_id"]) if is_at_work else None
    progress = at and schemas.RunProgress(
        done=at.done, total=at.total, at_work=_for(who, at.at_work) or ""
    )
    told = _told(who, row)
    name = (row["template"] or row["pipeline_id"] or "").rpartition("/")[2]
    message = f"Templated pipeline {name} is {row['status']} for {row['tenant_id']}"
    message += f": {told['error_message']}" if told["error_message"] else ""
    return schemas.Run(**{**row, **told, "message": message, "progress": progress})


def _dates_shown(
    store: Store, tenant_id: str, first: date | None, last: date | None
) -> tuple[date | None, date | None]:
    """The dates asked for; without any, the newest that are loaded. Both None: none is."""
    if last is None:
        last = store.read(runs_sql.LOADED_DATES.format(tenant=tenant_id))[0]["last_date"]
    if last is None or (first and first > last):
        return None, None
    first = first or last - timedelta(days=DAYS_SHOWN - 1)
    if (last - first).days >= MOST_DAYS:
        raise Problem(422, "invalid_request", f"At most {MOST_DAYS} dates at once: name fewer.")
    return first, last


def _failed_expectations(who: Caller, row: Row) -> list[schemas.FailedExpectation]:
    """The expectations of a table that did not hold, each also as one sentence."""
    return [
        schemas.FailedExpectation(
            expectation=one.expectation,
            description=one.description,
            severity=row["severity"],
            status=one.status,
            failing_rows=one.rows,
            samples=[_for(who, sample) or "" for sample in one.samples],
            message=_for(who, one.message),
            sentence=_for(who, one.sentence) or "",
        )
        for one in findings.of_rows([row])
    ]
