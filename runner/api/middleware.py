"""The outermost layer: each request's id and log line; what is too large or forged is refused."""

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

# The page's own files and nothing else; no other site may frame it, and nothing is kept.
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
# Words in the names of headers that proxies, balancers and content networks add to a call.
PROXIES = re.compile(
    r"(^|-)(via|\w*forward\w*|proxy\w*|proxied|original|originating|rewrite|real|remote|cf|cdn|amzn"
    r"|amz|appengine|azure|arr|akamai|cloud|envoy|fastly|varnish|vercel|tailscale|surrogate|front|ssl"
    r"|scheme|auth|authenticated|authentik|goog|haproxy|jwt|pomerium|principal|address|addr|host)(-|$)|(^|-|client|socket)ip$"
)


class RequestMiddleware:
    """Around the application: ids, log, limits, and the answer for an uncaught exception."""

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
                log.exception("request broke: %s %s", scope["method"], _path(scope))
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
        """Raises Problem for headers that no honest caller sends."""
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        size = sum(len(name) + len(value) for name, value in headers)
        if len(headers) > HEADERS or size > HEADER_BYTES:
            raise Problem(
                431,
                "headers_too_large",
                f"At most {HEADERS} headers and {HEADER_BYTES} bytes of them are taken: send less.",
            )
        if len(scope["path"]) + len(scope["query_string"]) > HEADER_BYTES:
            raise Problem(414, "path_too_long", "The path and query are too long: shorten them.")
        if any(name == b"transfer-encoding" for name, _ in headers) and (
            scope["http_version"] == "1.0" or any(name == b"content-length" for name, _ in headers)
        ):
            # A proxy may have read the other, and so another request after this one.
            raise Problem(
                400,
                "two_lengths",
                "The request says its length in two ways: send Content-Length or"
                " `Transfer-Encoding: chunked`, not both, and the latter with HTTP/1.1 only.",
                {"Connection": "close"},
            )
        client = (scope.get("client") or ("",))[0]
        if self._only_loopback and not (client in LOOPBACK and _is_from_here(scope)):
            # A page of another site may call, or resolve to, this machine.
            raise Problem(
                403,
                "not_this_host",
                "Without keys the service answers on this machine only: call it as 127.0.0.1,"
                " through no proxy and from no other site's page.",
            )
        for name, text in headers:
            # int() refuses a text of thousands of digits.
            if name == b"content-length" and (not text.isdigit() or int(text[:20]) > BODY_BYTES):
                raise _too_large()


async def _body(receive: Receive) -> Receive:
    """The whole body, read before it is parsed. Raises Problem when it is too large or slow."""
    body, is_whole = bytearray(), False
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while not is_whole:
                message = await receive()
                body += message.get("body", b"")
                is_whole = not message.get("more_body")
                if len(body) > BODY_BYTES:
                    raise _too_large()
    except TimeoutError:
        raise Problem(408, "too_slow", "The body did not come in time: send it again.") from None
    whole: list[Message] = [{"type": "http.request", "body": bytes(body), "more_body": False}]

    async def again() -> Message:
        return whole.pop() if whole else await receive()

    return again


def _too_large() -> Problem:
    message = f"A body of at most {BODY_BYTES} bytes is taken: send less."
    return Problem(413, "body_too_large", message)


def _is_from_here(scope: Scope) -> bool:
    """Whether it is called by a name of this machine, through no proxy and by no foreign page."""
    if scope["http_version"] == "1.0":
        return False  # as nginx passes calls on, with no header that says so
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
    """The path as it may stand in a log: one line, and not endless."""
    text: str = scope["path"]
    return text[:200].encode("ascii", "backslashreplace").decode().replace("\n", "\\n")
