"""`runner serve` as it is started, with real dbt: onboarded, asked, killed, begun anew, stopped."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from exports import charge, write_parquet
from support import ROOT, environment_in, free_port

from runner.control import keys

# The predecessor's calls, word for word but for the port and the id of the run.
CURL = (
    "curl -s -X POST http://localhost:8080/api/v1/pipelines/run/acme1281/gcp/cost/cost_billing"
    ' -H "Content-Type: application/json"'
    ' -d \'{"date": "2024-11-01", "trigger_by": "docker_test"}\'',
    "curl -s http://localhost:8080/api/v1/pipelines/runs/{pipeline_logging_id}",
    'curl -s "http://localhost:8080/api/v1/pipelines/runs?limit=5&status=COMPLETED"',
)
ADMIN_KEY = keys.new(keys.ADMIN_PREFIX)
# A busy machine takes its time.
PATIENCE = 240


class Server:
    """`runner serve` in a process of its own."""

    def __init__(self, environ: dict[str, str]) -> None:
        self.port = free_port()
        self.environ = {**os.environ, **environ, "PYTHONPATH": str(ROOT)}
        self.process = self._start()

    def _start(self) -> "subprocess.Popen[str]":
        words = ("serve", "--port", str(self.port), "--workers", "1", "--grace", "120")
        process = subprocess.Popen(
            ["env", sys.executable, "-m", "runner", *words],
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr
        for line in process.stderr:
            if "Serving on" in line:
                return process
        raise AssertionError("it does not serve")

    def kill(self) -> None:
        """As the kernel does when memory is short; the dbt process goes with it."""
        self.process.kill()
        self.process.wait(30)

    def again(self) -> None:
        self.process = self._start()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def call(self, method: str, path: str, body: Any = None, key: str = "") -> tuple[int, Any]:
        headers = {"Content-Type": "application/json", **({"X-API-Key": key} if key else {})}
        request = Request(
            f"http://127.0.0.1:{self.port}{path}",
            json.dumps(body).encode() if body is not None else None,
            headers,
            method=method,
        )
        try:
            with urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, json.loads(answer.read())
        except HTTPError as refused:
            return refused.code, json.loads(refused.read())

    def curl(self, words: str) -> Any:
        """One of the predecessor's calls, by its own program where there is one."""
        if not shutil.which("curl"):
            pytest.skip("there is no curl: its calls are NOT proved on this machine")
        reported = words.replace("localhost:8080", f"localhost:{self.port}")
        done = subprocess.run(reported, shell=True, capture_output=True, text=True, timeout=60)
        return json.loads(done.stdout)

    def until(self, ask: Any, *statuses: str) -> Any:
        deadline = time.monotonic() + PATIENCE
        while (reported := ask())["status"] not in statuses:
            assert reported["status"] in ("PENDING", "RUNNING", *statuses), reported
            assert time.monotonic() < deadline, reported
            time.sleep(1.5)  # a key may ask 50 times a minute, and a run may take one
        return reported


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """An empty warehouse, served with no keys but the admin's."""
    environ = environment_in(tmp_path)
    environ[keys.ADMIN_HASH] = keys.hash_of(ADMIN_KEY)
    running = Server(environ)
    yield running
    with contextlib.suppress(ProcessLookupError):
        running.process.kill()
    running.process.wait(30)


def test_the_predecessors_calls_from_an_empty_warehouse_to_completed(
    server: Server, tmp_path: Path
) -> None:
    # Onboarded over HTTP; the key is in the answer, this once.
    export = write_parquet(
        tmp_path / "export.parquet", [charge(f"2024-11-0{day}", float(day)) for day in (1, 2, 3)]
    )
    body = {
        "tenant_id": "acme1281",
        "company_name": "Acme",
        "admin_email": "admin@acme.example",
        "subscription_plan": "SCALE",
        "exports": [str(export)],
    }
    status, made = server.call("POST", "/api/v1/tenants/onboard", body, ADMIN_KEY)
    assert status == 201, made
    key = made["api_key"]
    assert server.call("POST", "/api/v1/pipelines/run/acme1281-gcp-cost-billing", {})[0] == 401

    # Killed while one runs and one waits: the first is closed, the second dequeued. Nothing twice.
    path = "/api/v1/pipelines/run/acme1281/gcp/cost/cost_billing"
    first = server.call("POST", path, {"date": "2024-11-02"}, key)[1]["pipeline_logging_id"]
    second = server.call("POST", path, {"date": "2024-11-03"}, key)[1]["pipeline_logging_id"]

    def ask(run_id: str) -> Any:
        return lambda: server.call("GET", f"/api/v1/pipelines/runs/{run_id}", None, key)[1]

    server.until(ask(first), "RUNNING")
    server.kill()
    server.again()
    assert "lease expired" in server.until(ask(first), "FAILED")["error_message"]
    done = server.until(ask(second), "COMPLETED")
    assert done["row_count"] == 1 and done["trigger_type"] == "api"
    assert server.call("GET", "/api/v1/tenants/acme1281/costs", None, key)[1] == [
        {
            **server.call("GET", "/api/v1/tenants/acme1281/costs", None, key)[1][0],
            "usage_date": "2024-11-03",
            "billed_cost": "3.00",
        }
    ]
    results = server.call("GET", f"/api/v1/pipelines/runs/{second}/dq-results", None, key)[1]
    assert len(results) > 30 and not [one for one in results if one["status"] == "FAIL"]
    assert server.stop() == 143

    # For development: no keys, and the predecessor's own words.
    server.environ["DISABLE_AUTH"] = "true"
    server.again()
    posted = server.curl(CURL[0])
    assert posted["status"] == "PENDING" and posted["pipeline_id"] == "acme1281-gcp-cost-billing"
    assert posted["message"].endswith("(async mode)")
    run_id = posted["pipeline_logging_id"]
    reported = server.until(
        lambda: server.curl(CURL[1].format(pipeline_logging_id=run_id)), "COMPLETED"
    )
    assert (
        reported["trigger_by"] == "docker_test"
        and reported["duration_ms"] > 0
        and reported["end_time"]
    )
    listed = server.curl(CURL[2])
    assert [run["pipeline_logging_id"] for run in listed] == [run_id, second]

    # Stopped while a run is at work: it ends first.
    last = server.call("POST", path, {"date": "2024-11-02"})[1]["pipeline_logging_id"]
    server.until(ask(last), "RUNNING")
    assert server.stop() == 143
    server.again()
    assert ask(last)()["status"] == "COMPLETED"
    logs = "".join(p.read_text() for p in (tmp_path / "logs").rglob("*.jsonl"))
    assert last in logs and key not in logs and ADMIN_KEY not in logs
