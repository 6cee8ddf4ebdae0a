"""Jobs that a killed run left at work end before its dates are free: Google's client over HTTP."""

import json
import threading
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from google.api_core.client_options import ClientOptions
from google.cloud import bigquery
from google.oauth2.credentials import Credentials

from runner.bigquery import Client
from runner.control import bigquery as control_bigquery
from runner.control.bigquery import BigQueryStore
from runner.errors import WarehouseUnreachable
from runner.settings import Target

OWN, TENANTS = "runner@ours", "acme@ours"


@dataclass
class Job:
    """`checks`: how often it is still listed once it was cancelled."""

    owner: str
    run: str
    state: str = "RUNNING"
    checks: int = 1
    is_cancelled: bool = False

    def document(self, job_id: str, is_full: bool) -> dict[str, Any]:
        found = {
            "id": f"ours:US.{job_id}",
            "jobReference": {"projectId": "ours", "jobId": job_id, "location": "US"},
            "state": self.state,
            "status": {"state": self.state},
            "user_email": self.owner,
        }
        of_query = {"labels": {"run": self.run}, "query": {"query": "begin transaction; ..."}}
        return found | ({"configuration": of_query} if is_full else {})


@dataclass
class Google:
    """Lists and cancels jobs, for who may: of others only to `sees_all`, cancels only one's own."""

    jobs: dict[str, Job]
    sees_all: bool = True
    url: str = ""
    asked: list[str] = field(default_factory=list)

    def answer(self, account: str, path: str, query: dict[str, str]) -> tuple[int, dict[str, Any]]:
        self.asked.append(path.rsplit("/", 1)[1])
        if path.endswith("/cancel"):
            job_id = path.split("/")[-2]
            if self.jobs[job_id].owner != account:
                return 403, _error("Access Denied: bigquery.jobs.update")
            self.jobs[job_id].is_cancelled = True
            return 200, {"job": self.jobs[job_id].document(job_id, True)}
        is_of_all = query.get("allUsers", "").lower() == "true"
        if is_of_all and not self.sees_all:
            return 403, _error("Access Denied: Project ours: bigquery.jobs.listAll is missing")
        listed = []
        for job_id, job in self.jobs.items():
            if job.is_cancelled:
                job.checks -= 1
                job.state = job.state if job.checks >= 0 else "DONE"
            if job.state.lower() == query["stateFilter"] and (is_of_all or job.owner == account):
                listed.append(job.document(job_id, query.get("projection") == "full"))
        return 200, {"jobs": listed}


def _error(message: str) -> dict[str, Any]:
    item = {"message": message, "reason": "accessDenied"}
    return {"error": {"code": 403, "message": message, "errors": [item]}}


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Iterator[Google]:
    monkeypatch.setattr(control_bigquery.time, "sleep", lambda seconds: None)
    google = Google(
        {
            "of_the_dead": Job(OWN, "dead"),
            "anothers": Job(OWN, "alive"),
            "of_before": Job(OWN, "dead", "DONE"),
            # A control statement of the runner itself: it checks by itself whose the run is.
            "runner-of_the_dead": Job(OWN, "dead"),
            "of_the_tenant": Job(TENANTS, "dead", "PENDING", checks=3),
        }
    )

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: object) -> None: ...

        def do(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = urllib.parse.urlsplit(self.path)
            account = self.headers["Authorization"].removeprefix("Bearer ")
            query = dict(urllib.parse.parse_qsl(parts.query))
            status, document = google.answer(account, parts.path, query)
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    google.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield google
    server.shutdown()
    server.server_close()


def a_store(google: Google, account: str | None, monkeypatch: pytest.MonkeyPatch) -> BigQueryStore:
    """The store of a tenant that has this account, or none."""
    client = Client(Target("bigquery", "bigquery", {"project": "ours", "location": "US"}), {})

    def connect(name: str) -> bigquery.Client:
        return bigquery.Client(
            project="ours",
            location="US",
            credentials=Credentials(token=name or OWN),  # type: ignore[no-untyped-call]
            client_options=ClientOptions(api_endpoint=google.url),
        )

    client.as_account = connect  # type: ignore[assignment]
    store = BigQueryStore(client)
    monkeypatch.setattr(store, "read", lambda sql, **values: [{"impersonate": account}])
    return store


def test_a_dead_runs_jobs_are_cancelled_by_their_label_and_waited_for(
    google: Google, monkeypatch: pytest.MonkeyPatch
) -> None:
    google.jobs.pop("of_the_tenant")
    a_store(google, None, monkeypatch).cancel_jobs("acme", ["dead"])
    assert google.jobs["of_the_dead"].is_cancelled and google.jobs["of_the_dead"].state == "DONE"
    cancelled = [job_id for job_id, job in google.jobs.items() if job.is_cancelled]
    assert cancelled == ["of_the_dead"], "no other process's, and none that has ended"


def test_jobs_of_a_tenants_own_account_are_cancelled_as_that_account(
    google: Google, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_store(google, TENANTS, monkeypatch).cancel_jobs("acme", ["dead"])
    states = {job_id: job.state for job_id, job in google.jobs.items()}
    assert states == {
        **dict.fromkeys(("of_the_dead", "of_the_tenant", "of_before"), "DONE"),
        **dict.fromkeys(("anothers", "runner-of_the_dead"), "RUNNING"),
    }


def test_an_account_that_may_not_list_the_tenants_jobs_gets_the_missing_role(
    google: Google, monkeypatch: pytest.MonkeyPatch
) -> None:
    google.sees_all = False
    with pytest.raises(WarehouseUnreachable, match=r"ours .*--role=roles/bigquery\.resourceViewer"):
        a_store(google, TENANTS, monkeypatch).cancel_jobs("acme", ["dead"])
    assert not any(job.is_cancelled for job in google.jobs.values())


def test_a_job_that_does_not_end_is_named(google: Google, monkeypatch: pytest.MonkeyPatch) -> None:
    google.jobs = {"stuck": Job(OWN, "dead", checks=1000)}
    seconds = iter(range(0, 10_000, 30))
    monkeypatch.setattr(control_bigquery.time, "monotonic", lambda: float(next(seconds)))
    with pytest.raises(WarehouseUnreachable, match="`bq cancel stuck`"):
        a_store(google, None, monkeypatch).cancel_jobs("acme", ["dead"])
