"""The outermost layer: request ids, log lines, limits of size, and the origin of requests."""

import asyncio
import logging
import re
import time
import uuid
from collections.abc import Callable

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runner import logs
from runner.api.errors import INTERNAL_ERROR, Problem, answer

log = logging.getLogger(__name__)

BODY_BYTES = 64 * 1024
HEADER_BYTES = 16 * 1024
HEADERS = 100
BODY_SECONDS = 10.0

# Only the page's own files; no other site may embed it, and browsers cache nothing.
SECURITY = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
        " img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
LOOPBACK = ("127.0.0.1", "localhost", "::1")
HERE = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?")
# Words in the names of headers that proxies, load balancers and CDNs add to a request.
PROXIES = re.compile(
    r"(^|-)(via|\w*forward\w*|proxy\w*|proxied|original|originating|rewrite|real|remote|cf|cdn|amzn"
    r"|amz|appengine|azure|arr|akamai|cloud|envoy|fastly|varnish|vercel|tailscale|surrogate|front|ssl"
    r"|scheme|auth|authenticated|authentik|goog|haproxy|jwt|pomerium|principal|address|addr|host)(-|$)|(^|-|client|socket)ip$"
)


class RequestMiddleware:
    """Adds ids, a log line and limits to each request, and handles uncaught exceptions."""

    def __init__(
        self, app: ASGIApp, on_answer: Callable[[Scope, int, float], None], only_loopback: bool
    ) -> None:
        self._app = app
        self._on_answer = on_answer
        self._only_loopback = only_loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        began, status = time.monotonic(), 0

        async def send_it(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                for name, value in SECURITY.items():
                    headers.setdefault(name, value)
                if getattr(scope.get("route"), "deprecated", None):
                    headers["Deprecation"] = "true"
            await send(message)

        with logs.of_request(request_id):
            try:
                try:
                    self._check(scope)
                    await self._app(scope, await _body(receive), send_it)
                except Problem as refusal:
                    await answer(refusal, request_id)(scope, receive, send_it)
            except Exception:
                log.exception("internal error in %s %s", scope["method"], _path(scope))
                if not status:
                    broke = answer(Problem(500, "internal_error", INTERNAL_ERROR), request_id)
                    await broke(scope, receive, send_it)
            seconds = time.monotonic() - began
            log.info(
                "%s %s %s in %.0f ms by %s",
                *(scope["method"], _path(scope), status, seconds * 1000),
                scope["state"].get("principal", "unknown key"),
            )
            self._on_answer(scope, status, seconds)

    def _check(self, scope: Scope) -> None:
        """Raises Problem for headers that are too large, ambiguous or not from this machine."""
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        size = sum(len(name) + len(value) for name, value in headers)
        if len(headers) > HEADERS or size > HEADER_BYTES:
            raise Problem(
                431,
                "headers_too_large",
                f"The limit is {HEADERS} headers of {HEADER_BYTES} bytes in all: send fewer.",
            )
        if len(scope["path"]) + len(scope["query_string"]) > HEADER_BYTES:
            raise Problem(414, "path_too_long", "The path and query are too long: shorten them.")
        if any(name == b"transfer-encoding" for name, _ in headers) and (
            scope["http_version"] == "1.0" or any(name == b"content-length" for name, _ in headers)
        ):
            # A proxy that uses the other length would see another request after this one.
            raise Problem(
                400,
                "two_lengths",
                "The length of the request is ambiguous: send either Content-Length or"
                " `Transfer-Encoding: chunked`, the latter only with HTTP/1.1.",
                {"Connection": "close"},
            )
        client = (scope.get("client") or ("",))[0]
        if self._only_loopback and not (client in LOOPBACK and _is_from_here(scope)):
            # A page of another site may call this machine, also by a name that resolves to it.
            raise Problem(
                403,
                "not_this_host",
                "Without authentication the service accepts only requests from this machine: call"
                " it as 127.0.0.1, without a proxy and not from another site's page.",
            )
        for name, text in headers:
            # int() refuses a text of thousands of digits.
            if name == b"content-length" and (not text.isdigit() or int(text[:20]) > BODY_BYTES):
                raise _too_large()


async def _body(receive: Receive) -> Receive:
    """The complete body, read before parsing. Raises Problem when it is too large or slow."""
    body, is_complete = bytearray(), False
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while not is_complete:
                message = await receive()
                body += message.get("body", b"")
                is_complete = not message.get("more_body")
                if len(body) > BODY_BYTES:
                    raise _too_large()
    except TimeoutError:
        raise Problem(408, "too_slow", "The body did not arrive in time: send it again.") from None
    messages: list[Message] = [{"type": "http.request", "body": bytes(body), "more_body": False}]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay


def _too_large() -> Problem:
    message = f"The body is larger than {BODY_BYTES} bytes: send a smaller one."
    return Problem(413, "body_too_large", message)


def _is_from_here(scope: Scope) -> bool:
    """Whether the request names this machine, without a proxy and not from another site's page."""
    if scope["http_version"] == "1.0":
        return False  # nginx forwards requests as HTTP/1.0, without a header that shows it
    headers = [(name.decode("latin-1"), text.decode("latin-1")) for name, text in scope["headers"]]
    hosts = [text.lower() for name, text in headers if name == "host"]
    if len(hosts) != 1 or not HERE.fullmatch(hosts[0]):
        return False
    for name, text in headers:
        if name == "origin" and text.lower() != f"http://{hosts[0]}":
            return False
        if name == "sec-fetch-site" and text not in ("same-origin", "none"):
            return False
        if name != "host" and PROXIES.search(name.replace("_", "-")):
            return False
    return True


def _path(scope: Scope) -> str:
    """The path for the log: one line of limited length."""
    text: str = scope["path"]
    return text[:200].encode("ascii", "backslashreplace").decode().replace("\n", "\\n")
