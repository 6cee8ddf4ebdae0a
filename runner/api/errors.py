"""The service's errors: JSON with a message, its remedy, and the request's id."""

import logging
import re
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from runner.errors import (
    AccountRefused,
    NotInitialised,
    RunnerError,
    StatementRefused,
    UnknownTenant,
    UsageProblem,
    WarehouseProblem,
)

log = logging.getLogger(__name__)

# The folders of an absolute path, but not of a URL. A path in quotes ends with the quotes;
# elsewhere a folder's name may have blanks between its words.
_WORD = r"[^\s/:;,'\"()]+"
_FOLDERS = re.compile(rf"""(?<=")/(?!/)[^"]*/|(?<![\w/:.])/(?:{_WORD}(?: +{_WORD})*/)+""")
# The folders, with any names, before a data file, which is recognised by its extension.
_DATA_FILE = re.compile(
    r"""(?<![\w/:.])/(?!/)(?:(?!://)[^\n"])*?/(?=[^/\s"]+\.(?:csv|tsv|json|jsonl|ndjson|parquet|gz|duckdb)\b)"""
)
_PROCESS = re.compile(r"\b(?:process|pid|PID) \d+\b")

INTERNAL_ERROR = (
    "Internal error: try again. If it happens again, give this request_id to the operator of the"
    " service, who finds the full trace under it in logs/runner.jsonl."
)
_HTTP_ERRORS = {
    404: ("not_found", "This path does not exist: see /openapi.json for all paths."),
    405: ("method_not_allowed", "This path does not support the method: see /openapi.json."),
    400: ("bad_request", "The body is not valid JSON: send one JSON object."),
    415: ("not_json", "Send the body with `Content-Type: application/json`."),
}


class Problem(Exception):
    """An error response. `more`: fields added to error, message and request_id."""

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
    """503 with the header Retry-After."""
    return Problem(503, "try_again", message, {"Retry-After": str(seconds)})


def plain(text: str) -> str:
    """The text without folders and process numbers of the server."""
    return _PROCESS.sub("another process", _FOLDERS.sub("", _DATA_FILE.sub("", text)))


def problem_of(error: RunnerError) -> Problem:
    """The error response for an error of the runner."""
    if isinstance(error, NotInitialised):
        return Problem(503, "not_initialised", error.message, {"Retry-After": "60"})
    if isinstance(error, UnknownTenant):
        return Problem(404, "unknown_tenant", error.message)
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
    """The response of a problem."""
    document = {"error": problem.error, "message": problem.message, "request_id": request_id}
    return JSONResponse({**document, **problem.more}, problem.status, problem.headers)


def add_handlers(app: FastAPI) -> None:
    """Make the application return errors as JSON."""
    app.add_exception_handler(Problem, _on_error)
    app.add_exception_handler(RunnerError, _on_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)


async def _on_error(request: Request, error: Exception) -> JSONResponse:
    problem = problem_of(error) if isinstance(error, RunnerError) else error
    assert isinstance(problem, Problem)
    if isinstance(error, RunnerError) and getattr(request.state, "principal", "") != "admin":
        problem.message = plain(problem.message)
    if problem.status >= 500:
        log.error("%s: %s", problem.error, problem.message, exc_info=error)
    else:
        log.info("%s: %s", problem.error, problem.message)
    return answer(problem, request.state.request_id)


async def _on_invalid(request: Request, error: Exception) -> JSONResponse:
    """422 with the names of the fields, but not their values."""
    assert isinstance(error, RequestValidationError)
    details = [
        {
            "where": _ascii(".".join(str(part) for part in one["loc"])),
            "what": _ascii(str(one["msg"]).removeprefix("Value error, ")),
        }
        for one in error.errors()[:20]
    ]
    listed = "; ".join(f"{one['where']}: {one['what']}" for one in details)
    message = f"{listed.rstrip('.')}. See /openapi.json for the valid fields."
    problem = Problem(422, "invalid_request", message, details=details)
    return answer(problem, request.state.request_id)


def _ascii(text: str) -> str:
    """A field's name, as sent, in ASCII."""
    return text.encode("ascii", "backslashreplace").decode()[:300]


async def _on_http(request: Request, error: Exception) -> JSONResponse:
    """Errors of the framework: an unknown path, method or body."""
    assert isinstance(error, HTTPException)
    name, message = _HTTP_ERRORS.get(error.status_code, ("refused", str(error.detail)))
    problem = Problem(error.status_code, name, message, error.headers)
    return answer(problem, request.state.request_id)
