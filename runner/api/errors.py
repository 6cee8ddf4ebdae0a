"""What the service answers when it cannot do as asked: JSON that says what to do, and an id."""

import logging
import re
from collections.abc import Mapping
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from runner.errors import (
    AccountRefused,
    NotInitialised,
    RunnerError,
    StatementRefused,
    UsageProblem,
    WarehouseProblem,
)

log = logging.getLogger(__name__)

# The folders of a path that begins at the root, and not of an address. In quotes, as in JSON, such
# a path ends with them; elsewhere a folder's name may have blanks between its words.
_WORD = r"[^\s/:;,'\"()]+"
_FOLDERS = re.compile(rf"""(?<=")/(?!/)[^"]*/|(?<![\w/:.])/(?:{_WORD}(?: +{_WORD})*/)+""")
# A file of data at the end of a path is known by its name; folders before it may have any.
_OF_DATA = re.compile(
    r"""(?<![\w/:.])/(?!/)(?:(?!://)[^\n"])*?/(?=[^/\s"]+\.(?:csv|tsv|json|jsonl|ndjson|parquet|gz|duckdb)\b)"""
)
_PROCESS = re.compile(r"\b(?:process|pid|PID) \d+\b")

BROKE = (
    "Something broke inside the service: try again; if it breaks again, give this request_id to"
    " whoever runs it. The full trace stands in logs/runner.jsonl under that id."
)


class Problem(Exception):
    """An answer that is no success. `more` stands beside error, message and request_id."""

    def __init__(
        self,
        status: int,
        error: str,
        message: str,
        headers: Mapping[str, str] | None = None,
        /,
        **more: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error = error
        self.message = message
        self.headers = dict(headers or {})
        self.more = more


def busy(message: str, seconds: int = 5) -> Problem:
    """Not now, but soon: 503 with when to ask again."""
    return Problem(503, "try_again", message, {"Retry-After": str(seconds)})


def plain(text: str) -> str:
    """A sentence without what is nobody's business but ours: folders, and processes' numbers."""
    return _PROCESS.sub("another process", _FOLDERS.sub("", _OF_DATA.sub("", text)))


def of_runner(error: RunnerError) -> Problem:
    """What one of the runner's own sentences is over HTTP."""
    if isinstance(error, NotInitialised):
        return Problem(503, "not_initialised", error.message, {"Retry-After": "60"})
    if isinstance(error, UsageProblem):
        return Problem(422, "invalid_request", error.message)
    if isinstance(error, StatementRefused):
        return Problem(503, "warehouse_incomplete", error.message, {"Retry-After": "60"})
    if isinstance(error, AccountRefused):
        return Problem(503, "account_refused", error.message)
    if isinstance(error, WarehouseProblem):
        return busy(error.message)
    return Problem(500, "failed", error.message)


def answer(problem: Problem, request_id: str) -> JSONResponse:
    """The problem as it goes out."""
    document = {"error": problem.error, "message": problem.message, "request_id": request_id}
    return JSONResponse({**document, **problem.more}, problem.status, problem.headers)


async def on_problem(request: Request, error: Exception) -> JSONResponse:
    """Answer a Problem or a RunnerError."""
    problem = of_runner(error) if isinstance(error, RunnerError) else error
    assert isinstance(problem, Problem)
    if isinstance(error, RunnerError) and getattr(request.state, "caller", "") != "admin":
        problem.message = plain(problem.message)
    if problem.status >= 500:
        log.error("%s: %s", problem.error, problem.message, exc_info=error)
    else:
        log.info("%s: %s", problem.error, problem.message)
    return answer(problem, request.state.request_id)


async def on_invalid(request: Request, error: Exception) -> JSONResponse:
    """Answer what does not have the shape that is asked for; what was sent is not repeated."""
    assert isinstance(error, RequestValidationError)
    details = [
        {
            "where": ".".join(str(part) for part in one["loc"] if isinstance(part, str | int)),
            "what": str(one["msg"]).removeprefix("Value error, "),
        }
        for one in error.errors()
    ]
    # A key may be anything that was sent: as text that can be written.
    details = [
        {key: text.encode("ascii", "backslashreplace").decode()[:300] for key, text in one.items()}
        for one in details[:20]
    ]
    told = "; ".join(f"{one['where']}: {one['what']}" for one in details)
    message = f"{told.rstrip('.')}. See /openapi.json for what is taken."
    return answer(
        Problem(422, "invalid_request", message, details=details), request.state.request_id
    )


async def on_http(request: Request, error: Exception) -> JSONResponse:
    """Answer what the framework refuses: no such path, method or body."""
    assert isinstance(error, HTTPException)
    words = {
        404: ("not_found", "There is nothing at this path: see /openapi.json for what there is."),
        405: ("method_not_allowed", "This path does not take that method: see /openapi.json."),
        400: ("bad_request", "The body is not JSON that can be read: send one JSON object."),
        415: ("not_json", "Send the body with `Content-Type: application/json`."),
    }
    name, message = words.get(error.status_code, ("refused", str(error.detail)))
    problem = Problem(error.status_code, name, message, error.headers)
    return answer(problem, request.state.request_id)
