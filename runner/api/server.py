"""`runner serve`: checks the settings, opens the port, runs the application until stopped."""

import logging
import socket
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from runner.api import app, auth, middleware
from runner.errors import UsageProblem
from runner.settings import Settings

log = logging.getLogger(__name__)

# Beyond these uvicorn answers 503: below the 1,024 files a process may mostly have open.
CONNECTIONS = 800
OPEN = (
    "WARNING: DISABLE_AUTH is set: anybody on this machine may see every tenant's bill and start"
    " runs. Unset it for anything but development."
)


def serve(
    settings: Settings,
    host: str,
    port: int,
    workers: int,
    grace_seconds: float,
    echo: Callable[[str], None],
) -> None:
    """Serve until SIGINT or SIGTERM. Raises UsageProblem for settings that cannot be meant."""
    access = auth.access(settings)
    if access.is_open and host not in middleware.LOOPBACK:
        raise UsageProblem(
            f"DISABLE_AUTH lets anybody in, so it goes with --host 127.0.0.1 only, not {host}:"
            " unset it, and make keys with `runner tenant key create`."
        )
    settings.target({"tenant_id": "none"})
    _ = settings.mail  # else the first run to send mail would raise it
    if access.is_open:
        log.warning(OPEN)
        echo(f"{'*' * 78}\n{OPEN}\n{'*' * 78}")
    # A call for another protocol would make uvicorn log that packages should be installed.
    logging.getLogger("uvicorn.error").addFilter(lambda line: "[standard]" not in str(line.msg))
    listener = _listen(host, port)
    config = config_of(app.create(settings, access, workers, grace_seconds))
    # Calls that come before the application is ready wait in the socket's own queue.
    echo(f"Serving on http://{_address(listener)}; stop with Ctrl-C.")
    with listener:
        uvicorn.Server(config).run(sockets=[listener])


def config_of(application: FastAPI) -> uvicorn.Config:
    """How uvicorn is to serve it."""
    return uvicorn.Config(
        application,
        http="h11",
        ws="none",
        # The client is the connection's peer: any caller may write a header that names another.
        proxy_headers=False,
        lifespan="on",
        # Ours has the id of the request; and a key must never stand in one.
        access_log=False,
        log_level="warning",
        server_header=False,
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=10,
        h11_max_incomplete_event_size=8 * middleware.HEADER_BYTES,
    )


def _listen(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises UsageProblem when the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise UsageProblem(
            f"Port {port} of {host} cannot be listened on ({error.strerror or error}): end what"
            " has it, or name another with --port."
        ) from None
    # Accepted sockets inherit it. asyncio does not see by such a socket that it is TCP, and an
    # answer's second packet would wait 40 ms for the caller to acknowledge its first.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
