"""A BigQuery on this machine for one test session: start it, ask it what was sent, stop it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LAUNCHER = Path(__file__).with_name("emulator_launcher.py")
PROJECT = "local"
SCHEMAS = "schemas.jsonl"
START_SECONDS = 60.0
STOP_SECONDS = 20.0


class EmulatorFailed(RuntimeError):
    """The emulator did not start, or died; the message ends with its log."""


@dataclass(frozen=True)
class Statement:
    """One SQL text that a client sent as a query job; dry runs leave no job."""

    at: int
    job_id: str
    sql: str
    parameters: dict[str, str] = field(default_factory=dict)
    error: str | None = None

    def as_json(self) -> str:
        """The line that analyzer.py reads."""
        return json.dumps({"id": self.job_id, "sql": self.sql, "parameters": self.parameters})


@dataclass(frozen=True)
class SchemaChange:
    """A table's fields, in BigQuery schema JSON, after a change that no statement made."""

    at: int
    table: str
    schema: list[dict[str, Any]]

    def as_json(self) -> str:
        """The line that analyzer.py reads."""
        return json.dumps({"table": self.table, "schema": self.schema})


@dataclass(frozen=True)
class Emulator:
    """A running emulator: where it listens, the project it serves, where it keeps its data."""

    url: str
    project: str
    data_dir: Path
    # Jobs that have ended, which stay as they are, by their ids; and from when others may be.
    _ended: dict[str, dict[str, Any]] = field(default_factory=dict)
    _asked_until: list[int] = field(default_factory=lambda: [0])

    def get(self, path: str, **query: str | int) -> dict[str, Any]:
        """GET a REST resource below the project, as JSON."""
        address = f"{self.url}/bigquery/v2/projects/{self.project}/{path}"
        if query:
            address += "?" + urllib.parse.urlencode(query)
        with urllib.request.urlopen(address, timeout=60) as response:
            answer: dict[str, Any] = json.load(response)
        return answer

    def jobs(self, since_ms: int = 0) -> list[dict[str, Any]]:
        """Every job created since then, oldest first, children of scripts left out."""
        found = dict(self._ended)
        query: dict[str, str | int] = {"minCreationTime": self._asked_until[0], "maxResults": 1000}
        while True:
            page = self.get("jobs", **query)
            found |= {job["jobReference"]["jobId"]: job for job in page["jobs"]}
            # The emulator writes the token of the page after the last as null.
            if not page.get("nextPageToken"):
                break
            query["pageToken"] = page["nextPageToken"]
        self._ended.update({id_: job for id_, job in found.items() if job["state"] == "DONE"})
        times = {id_: _time_of(job)[0] for id_, job in found.items()}
        at_work = [at for id_, at in times.items() if id_ not in self._ended]
        self._asked_until[0] = min(at_work, default=max(times.values(), default=0))
        return sorted((job for id_, job in found.items() if times[id_] >= since_ms), key=_time_of)

    def statements(self, since_ms: int = 0) -> list[Statement]:
        """Every SQL text that was sent since then, failed ones included, in the order sent."""
        return [_statement(job) for job in self.jobs(since_ms) if "query" in job["configuration"]]

    def schema_changes(self, since_ms: int = 0) -> list[SchemaChange]:
        """Every schema that was set by REST since then: loads, seeds, columns that dbt added."""
        path = self.data_dir / SCHEMAS
        lines = path.read_text().splitlines() if path.exists() else []
        changes = [SchemaChange(**json.loads(line)) for line in lines]
        return [change for change in changes if change.at >= since_ms]

    def history(self, since_ms: int = 0) -> list[Statement | SchemaChange]:
        """All that analysis.analyze needs to follow what happened since then, in order."""
        # A change comes before the statement of the same millisecond: it was waited for.
        events: list[Statement | SchemaChange] = []
        events += self.schema_changes(since_ms)
        events += self.statements(since_ms)
        return sorted(events, key=lambda event: event.at)


def _time_of(job: dict[str, Any]) -> tuple[int, int]:
    statistics = job["statistics"]
    created = int(statistics["creationTime"])
    return created, int(statistics.get("endTime", created))


def _statement(job: dict[str, Any]) -> Statement:
    query = job["configuration"]["query"]
    error = job.get("errorResult") or {}
    return Statement(
        at=int(job["statistics"]["creationTime"]),
        job_id=job["jobReference"]["jobId"],
        sql=query["query"],
        parameters={
            parameter["name"]: type_name(parameter["parameterType"])
            for parameter in query.get("queryParameters", [])
            if "name" in parameter
        },
        error=error.get("message"),
    )


def type_name(parameter_type: dict[str, Any]) -> str:
    """A REST parameter type in SQL's words: ARRAY<STRING>, STRUCT<a INT64>."""
    kind: str = parameter_type["type"]
    if kind == "ARRAY":
        return f"ARRAY<{type_name(parameter_type['arrayType'])}>"
    if kind == "STRUCT":
        members = (f"{m['name']} {type_name(m['type'])}" for m in parameter_type["structTypes"])
        return f"STRUCT<{', '.join(members)}>"
    return kind


@contextmanager
def running_emulator(
    venv: Path, data_dir: Path, without: tuple[str, ...] = ()
) -> Iterator[Emulator]:
    """Serve BigQuery from data_dir while the block runs; `without` names bridges to leave out.

    What was there in data_dir from an earlier run is there again. Raises EmulatorFailed, with
    the log, when it does not answer within START_SECONDS.
    """
    data_dir = data_dir.resolve()
    data_dir.mkdir(parents=True, exist_ok=True)
    log = data_dir / "emulator.log"
    port, grpc_port = _free_ports(2)
    command = [str(venv / "bin" / "python"), str(LAUNCHER), "--host", "127.0.0.1"]
    command += ["--port", str(port), "--grpc-port", str(grpc_port)]
    command += ["--project", PROJECT, "--data-dir", str(data_dir)]
    command += ["--schemas", str(data_dir / SCHEMAS)]
    for name in without:
        command += ["--without", name]
    emulator = Emulator(f"http://127.0.0.1:{port}", PROJECT, data_dir)
    with log.open("ab") as sink:
        process = subprocess.Popen(
            command,
            stdout=sink,
            stderr=subprocess.STDOUT,
            # Its DuckDB extensions are in a HOME of its own: see setup_emulator.sh.
            env={**os.environ, "HOME": str(venv / "home")},
        )
    try:
        _wait(process, emulator, port, log)
        yield emulator
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def _wait(process: subprocess.Popen[bytes], emulator: Emulator, port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _listens(port):
        if process.poll() is not None or time.monotonic() > deadline:
            raise EmulatorFailed(f"the emulator did not start:\n{log.read_text()[-4000:]}")
        time.sleep(0.05)
    # The first request opens the database. One, and patient: a second at the same time ends
    # in "Unique file handle conflict".
    try:
        emulator.get("datasets")
    except OSError as error:
        printed = error.read().decode() if isinstance(error, urllib.error.HTTPError) else ""
        tail = log.read_text()[-4000:]
        raise EmulatorFailed(f"the emulator answers {error}: {printed}\n{tail}") from error


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
