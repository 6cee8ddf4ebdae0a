"""HTTP as uvicorn speaks it, but for callers who never finish asking, and refusals told as JSON.

Of uvicorn's own it uses the few methods below; a new one must pass tests/api/test_serve.py.
"""

import asyncio
import json
import logging
import uuid
from typing import Any

import h11
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from runner.api.errors import answer, busy
from runner.api.middleware import SECURITY

log = logging.getLogger(__name__)

# From when a connection is made, or a further request on it begins, until its headers are there.
HEAD_SECONDS = 10.0
# Who connects beyond these is answered 503: below the 1,024 files a process may mostly have open.
CONNECTIONS = 800


async def crowded(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer in the application's place, which has enough to do."""
    request_id = uuid.uuid4().hex
    log.warning("a caller beyond %d is answered 503 (request %s)", CONNECTIONS, request_id)
    refusal = answer(busy("The service has too many callers now: try again."), request_id)
    refusal.headers.update({**SECURITY, "X-Request-ID": request_id, "Connection": "close"})
    await refusal(scope, receive, send)


class Protocol(H11Protocol):
    """Closes a connection whose request does not come; uvicorn waits for it without end."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS:
            self.app = crowded
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait_for_head(self) -> None:
        """Let the time run from the first byte, however many come, until the head is whole."""
        if self.conn.their_state is not h11.IDLE or self.transport.is_closing():
            self._stop_waiting()
        elif self._late is None:
            self._late = self.loop.call_later(HEAD_SECONDS, self._close)

    def _stop_waiting(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _close(self) -> None:
        self._late = None
        if not self.transport.is_closing():
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        document = {
            "error": "bad_request",
            "message": "That is no HTTP request that can be read: see /openapi.json.",
            "request_id": uuid.uuid4().hex,
        }
        body = json.dumps(document).encode()
        self.logger.warning("%s (request %s)", msg, document["request_id"])
        headers: list[tuple[bytes, bytes]] = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        answer: list[Any] = [
            h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ]
        try:
            for event in answer:
                self.transport.write(self.conn.send(event) or b"")
        except h11.LocalProtocolError:
            pass  # an answer is under way already: only its end is left
        self.transport.close()
