"""The application: its routers, its middleware, and the routes that need no key."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import FileResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.types import Scope

from runner import __version__
from runner.api import errors, runs, schemas, tenants, triggers
from runner.api.auth import Access
from runner.api.middleware import RequestMiddleware
from runner.api.service import Service, TheService
from runner.settings import Settings

SERVICE = "gcp-tenant-cost"
STATIC = Path(__file__).parent / "static"
FILES = {"page.js": "text/javascript", "page.css": "text/css"}
DESCRIPTION = """
Start and follow runs, and read quality results and costs of each tenant on Google Cloud.
Send an API key in the header `X-API-Key`. Every response has the header `X-Request-ID`; an error
is JSON with `error`, `message` (what is wrong and what to do) and `request_id`.
"""

public = APIRouter()


def create(settings: Settings, access: Access, workers: int, grace_seconds: float) -> FastAPI:
    """The application. Its queue works from startup to shutdown."""
    service = Service(settings, access, workers, grace_seconds)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.start()
        yield
        await run_in_threadpool(service.close)

    def on_answer(scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "none")
        method = scope["method"] if scope["method"] in ("GET", "POST", "HEAD") else "other"
        service.metrics.answered(method, route, status, seconds)

    app = FastAPI(
        title="Tenant cost",
        description=DESCRIPTION,
        version=__version__,
        # FastAPI's own pages would load scripts from other hosts.
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.service = service
    errors.add_handlers(app)
    app.add_middleware(RequestMiddleware, on_answer=on_answer, only_loopback=access.is_open)
    for router in (public, triggers.router, runs.router, tenants.router):
        app.include_router(router)
    return app


@public.get("/", include_in_schema=False)
def page() -> FileResponse:
    """The page, which calls the API with the key that the user enters."""
    return FileResponse(STATIC / "page.html", media_type="text/html; charset=utf-8")


@public.get("/static/{name}", include_in_schema=False)
def static(name: str) -> FileResponse:
    """A file of the page."""
    if name not in FILES:
        raise HTTPException(404)
    return FileResponse(STATIC / name, media_type=FILES[name])


@public.head("/health/live", include_in_schema=False)
@public.get("/health/live", tags=["service"])
async def live() -> schemas.Live:
    """Whether this process answers, regardless of the warehouse: for a liveness probe."""
    return schemas.Live(status="ok", service=SERVICE, version=__version__)


@public.head("/health", include_in_schema=False)
@public.get("/health", tags=["service"], responses={503: {"model": schemas.Health}})
async def health(service: TheService, response: Response) -> schemas.Health:
    """Service, version, environment, and whether the warehouse can be reached."""
    is_reachable = await service.health.is_reachable()
    if not is_reachable:
        response.status_code = 503
    return schemas.Health(
        status="ok" if is_reachable else "degraded",
        service=SERVICE,
        version=__version__,
        environment=service.settings.environ.get("RUNNER_ENVIRONMENT") or "development",
        target=service.settings.target({"tenant_id": "none"}).name,
        auth="disabled" if service.is_open else "keys",
        warehouse="reachable" if is_reachable else "unreachable",
        queue_length=service.queue.length,
        runs_active=service.queue.active,
    )


@public.get("/metrics", tags=["service"], response_class=Response)
def metrics(service: TheService) -> Response:
    """Runs, rows, refusals, queue and responses of this process, for Prometheus."""
    return service.metrics.page()
