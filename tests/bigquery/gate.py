"""A gate before the emulator that knows the caller, as Google does, and lets each see its own.

It mints tokens as Google's IAM does, and refuses an account whatever is not granted to it.
"""

from __future__ import annotations

import json
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from emulator import Emulator
from gate_login import OWN

MISSING = {
    "error": {
        "code": 403,
        "message": "Permission 'iam.serviceAccounts.getAccessToken' denied on resource",
        "status": "PERMISSION_DENIED",
    }
}


# Descriptions and values, which may contain any name.
TEXTS = re.compile(r'""".*?"""|"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'', re.DOTALL)


@dataclass(frozen=True)
class Asked:
    """A request that reached BigQuery: as whom, by dbt or by the runner, and the SQL if any."""

    account: str
    is_dbt: bool
    path: str
    sql: str


@dataclass
class Gate:
    """`granted`: the datasets of each account. `refuses`: accounts that may not be impersonated,
    after so many times."""

    emulator: Emulator
    url: str = ""
    granted: dict[str, set[str]] = field(default_factory=dict)
    refuses: dict[str, int] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def token(self, account: str) -> tuple[int, dict[str, Any]]:
        if account in self.refuses:
            if self.refuses[account] <= 0:
                return 403, MISSING
            self.refuses[account] -= 1
        return 200, {"accessToken": account, "expireTime": "2099-01-01T00:00:00Z"}

    def is_granted(self, asked: Asked) -> bool:
        if asked.account == OWN:
            return True
        named = set(re.findall(r"/datasets/([^/?]+)", asked.path))
        named |= set(re.findall(r"\b(tenants|alpha|beta|billing)`?\.", TEXTS.sub("", asked.sql)))
        makes_a_dataset = asked.path.endswith("/datasets?POST")
        # Where Google, too, keeps the rows of a query for its caller.
        named.discard("_results")
        return named <= self.granted.get(asked.account, set()) and not makes_a_dataset


@contextmanager
def open_gate(emulator: Emulator) -> Iterator[Gate]:
    """Serve the emulator's BigQuery at the gate's address while the block runs."""
    gate = Gate(emulator)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None: ...

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            account = self.headers.get("Authorization", "").removeprefix("Bearer ")
            if self.path.startswith("/accounts/"):
                status, document = gate.token(self.path.removeprefix("/accounts/"))
                self.send(status, json.dumps(document).encode())
                return
            asked = Asked(
                account,
                "dbt-bigquery" in self.headers.get("User-Agent", ""),
                f"{self.path}?POST" if self.command == "POST" else self.path,
                _sql(body),
            )
            gate.asked.append(asked)
            if not gate.is_granted(asked):
                refused = f"Access Denied: {account} has no access to what {asked.path} names"
                item = {"message": refused, "reason": "accessDenied"}
                error = {"code": 403, "message": refused, "errors": [item]}
                self.send(403, json.dumps({"error": error}).encode())
                return
            self.send(*self.forwarded(body))

        def forwarded(self, body: bytes) -> tuple[int, bytes, str | None]:
            request = urllib.request.Request(
                gate.emulator.url + self.path, body or None, method=self.command
            )
            for name, value in self.headers.items():
                if name.lower().startswith(("content-", "x-")):
                    request.add_header(name, value)
            try:
                response = urllib.request.urlopen(request, timeout=300)
            except urllib.error.HTTPError as error:
                response = error
            with response:
                return response.status, response.read(), response.headers.get("Location")

        def send(self, status: int, body: bytes, location: str | None = None) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            if location:  # where an upload goes on
                self.send_header("Location", location.replace(gate.emulator.url, gate.url))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    gate.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield gate
    finally:
        server.shutdown()
        server.server_close()


def _sql(body: bytes) -> str:
    """The statement of a query job; empty for any other request."""
    try:
        document = json.loads(body)
    except ValueError:
        return ""
    query = document.get("query") or document.get("configuration", {}).get("query", {})
    return str(query if isinstance(query, str) else query.get("query", ""))
