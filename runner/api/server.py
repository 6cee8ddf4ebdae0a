"""`runner serve`: checks the settings, opens the port, runs the application until stopped."""

import logging
import socket
import sys
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from runner import logs
from runner.api import app, auth, middleware
from runner.errors import UsageProblem
from runner.settings import Settings

log = logging.getLogger(__name__)

# With more connections uvicorn answers 503; most systems allow a process 1,024 open files.
CONNECTIONS = 800
OPEN = (
    "WARNING: DISABLE_AUTH is set: every user of this machine can read all tenants' bills and start"
    " runs. Use it for development only."
)


def serve(
    settings: Settings,
    host: str,
    port: int,
    workers: int,
    grace_seconds: float,
    on_ready: Callable[[str], None],
) -> None:
    """Serve until SIGINT or SIGTERM. Raises UsageProblem for invalid settings."""
    access = auth.access(settings)
    if access.is_open and host not in middleware.LOOPBACK:
        raise UsageProblem(
            f"DISABLE_AUTH is only allowed with --host 127.0.0.1, not {host}: unset it, and create"
            " keys with `runner tenant key create`."
        )
    settings.target({"tenant_id": "none"})
    _ = settings.mail  # raises for invalid settings now, not when the first mail is sent
    if access.is_open:
        log.warning(OPEN)
        if not isinstance(sys.stderr, logs.Console):  # which has the log's lines
            sys.stderr.write(f"{'*' * 78}\n{OPEN}\n{'*' * 78}\n")
    # For requests of other protocols uvicorn would log advice to install packages.
    logging.getLogger("uvicorn.error").addFilter(lambda line: "[standard]" not in str(line.msg))
    listener = _listen(host, port)
    config = config_of(app.create(settings, access, workers, grace_seconds))
    # Requests before the application is ready wait in the socket's queue.
    on_ready(f"http://{_address(listener)}")
    with listener:
        uvicorn.Server(config).run(sockets=[listener])


def config_of(application: FastAPI) -> uvicorn.Config:
    """The settings of uvicorn."""
    return uvicorn.Config(
        application,
        http="h11",
        ws="none",
        # The client is the connection's peer: a header could name any other address.
        proxy_headers=False,
        lifespan="on",
        # RequestMiddleware writes a log line with the request's id and never a key.
        access_log=False,
        log_level="warning",
        server_header=False,
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=10,
        h11_max_incomplete_event_size=8 * middleware.HEADER_BYTES,
    )


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises UsageProblem when the address cannot be used."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise UsageProblem(
            f"Port {port} of {host} cannot be used ({error.strerror or error}): end the program"
            " that uses it, or choose another with --port."
        ) from None
    # Accepted sockets inherit it. asyncio does not set it for such a socket, and a response's
    # second packet would wait 40 ms for the client to acknowledge the first.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
