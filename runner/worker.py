"""The child process that imports dbt once and runs what it is told, one job a line.

Reads jobs as JSON lines on stdin, writes events and results as JSON lines on stdout.
Whatever dbt or a library prints goes to stderr, so the two never mix. A job without a command
only makes ready: dbt is imported, the manifest parsed, nothing is answered.
"""

import contextlib
import fcntl
import gc
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Queue
from typing import Any

Emit = Callable[[dict[str, Any]], None]


def main() -> None:
    """Serve jobs until stdin closes, and no longer."""
    signal.signal(signal.SIGTERM, _interrupt)
    out = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)

    def emit(message: dict[str, Any]) -> None:
        out.write(json.dumps(message, default=str) + "\n")

    manifests: dict[str, Manifest] = {}
    jobs: Queue[str] = Queue()
    threading.Thread(target=_listen, args=(jobs,), daemon=True).start()
    while True:
        job = json.loads(jobs.get())
        os.environ.update(job["environ"])
        if not job["command"]:
            _manifest(manifests, job)
            continue
        _Busy.now = True
        answer = _run(manifests, job, emit)
        # Before the answer: who reads it may open the file at once.
        _let_go_of_files()
        emit(answer)
        _Busy.now = False
        if _Busy.asked_to_stop:
            os._exit(0)


class _Busy:
    """Whether a job runs, and whether the parent asked to stop meanwhile."""

    now = False
    asked_to_stop = False


def _interrupt(number: int, frame: object) -> None:
    """On SIGTERM: idle, end; else interrupt dbt as Ctrl-C does, so that it cancels its queries."""
    if not _Busy.now:
        os._exit(0)
    _Busy.asked_to_stop = True
    raise KeyboardInterrupt


def _listen(jobs: "Queue[str]") -> None:
    """Take jobs while the parent lives; end with it, in the midst of a job if need be."""
    for line in sys.stdin:
        jobs.put(line)
    # An open transaction is rolled back by the engine: a date half-written never shows.
    os._exit(3)


# Stands in the manifest wherever a tenant's id does; a valid slug that nobody would choose.
NOBODY = "zz_tenant_of_the_manifest_zz"


class Manifest:
    """A parsed project that serves every tenant: parsed for nobody, then aimed at one at a time.

    Names of datasets and relations are baked in when dbt parses; all else that is a tenant's is
    read from the vars when a statement runs. So each text that names NOBODY is found once, and
    written anew for each tenant.
    """

    def __init__(self, parsed: Any) -> None:
        self.parsed = parsed
        self._slots = list(_slots(parsed, set()))
        self._tenant = NOBODY
        # What is here stays: the collector need not look through it again and again.
        gc.collect()
        gc.freeze()

    def aim(self, tenant_id: str) -> Any:
        """dbt's manifest, with this tenant's names in it."""
        if tenant_id != self._tenant:
            for holder, key, text in self._slots:
                named = text.replace(NOBODY, tenant_id)
                if isinstance(holder, dict | list):
                    holder[key] = named
                else:
                    object.__setattr__(holder, key, named)
            self._tenant = tenant_id
        return self.parsed


def _slots(value: Any, seen: set[int]) -> Iterator[tuple[Any, Any, str]]:
    """Where a text that names NOBODY stands in a tree of objects: holder, key or index, text."""
    todo = [value]
    while todo:
        holder = todo.pop()
        if id(holder) in seen:
            continue
        seen.add(id(holder))
        if isinstance(holder, dict):
            items: Any = holder.items()
        elif isinstance(holder, list | tuple):
            items = enumerate(holder)
        elif type(holder).__module__.startswith("dbt"):
            items = getattr(holder, "__dict__", {}).items()
        else:
            continue
        for key, part in items:
            if not isinstance(part, str):
                todo.append(part)
            elif NOBODY in part:
                if isinstance(holder, tuple):
                    raise TypeError(f"a tuple names the tenant: {part}")
                yield holder, key, part
            if isinstance(key, str) and NOBODY in key:
                raise TypeError(f"a key names the tenant: {key}")


def _run(manifests: dict[str, Manifest], job: dict[str, Any], emit: Emit) -> dict[str, Any]:
    """One job: the manifest of what shapes the project, aimed at the tenant, run with all vars."""
    from dbt.cli.main import dbtRunner

    manifest = _manifest(manifests, job)
    if not isinstance(manifest, Manifest):
        return {"event": "result", "success": False, "error": _sentence(manifest)}
    told: list[str] = []
    invoked = dbtRunner(
        manifest=manifest.aim(job["tenant_id"]), callbacks=[_progress(emit, told)]
    ).invoke(
        [
            *(*job["command"], *_options(job), "--target-path", job["target_path"]),
            # The outcome is told here: the files that dbt would write of it cost a second.
            *("--no-write-json", "--log-level-file", job["log_level"], "--vars"),
            json.dumps({"tenant_id": job["tenant_id"], **job["shape_vars"], **job["vars"]}),
        ]
    )
    results = getattr(invoked.result, "results", None) or []
    return {
        "event": "result",
        "success": bool(invoked.success),
        "error": _sentence(invoked.exception or (told[0] if told else None)),
        "nodes": [_node(job["command"], result) for result in results if hasattr(result, "node")],
    }


def _manifest(manifests: dict[str, Manifest], job: dict[str, Any]) -> Manifest | Exception | None:
    """The manifest for the job's shape, parsed at most once in a process; or why there is none.

    dbt keeps what it parsed in a file, which all processes share: one reads or writes it at once.
    """
    from dbt.cli.main import dbtRunner

    from runner import less_work

    shape = {"tenant_id": NOBODY, **job["shape_vars"]}
    key = job["parse_path"]
    if not manifests:
        less_work.keep_compiled_templates(Path(key).with_name("templates"))
        less_work.drop_what_nobody_hears("NodeStart", "NodeFinished")
    if key not in manifests:
        Path(key).mkdir(parents=True, exist_ok=True)
        with (Path(key) / "parse.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            # dbt parses all anew when what the profile reads has changed, which this does not need.
            warehouse, os.environ["WAREHOUSE_DIR"] = os.environ["WAREHOUSE_DIR"], "nowhere"
            parsed = dbtRunner().invoke(
                [
                    *("parse", *_options(job), "--target-path", key, "--no-write-json"),
                    *("--log-level-file", "none", "--vars", json.dumps(shape)),
                ]
            )
            os.environ["WAREHOUSE_DIR"] = warehouse
        if not parsed.success:
            return parsed.exception or RuntimeError("dbt could not parse the project")
        manifests[key] = Manifest(parsed.result)
    return manifests[key]


def _options(job: dict[str, Any]) -> tuple[str, ...]:
    return (
        *("--project-dir", job["project_dir"], "--profiles-dir", job["profiles_dir"]),
        *("--target", job["target"], "--log-path", job["log_path"], "--log-level", "none"),
        *("--no-use-colors", "--no-send-anonymous-usage-stats", "--no-version-check"),
    )


def _let_go_of_files() -> None:
    """Close DuckDB's file, which dbt-duckdb would hold until the process ends."""
    adapter = sys.modules.get("dbt.adapters.duckdb.connections")
    if adapter is not None:
        with contextlib.suppress(Exception):  # it raises a bare Exception when none is open
            adapter.DuckDBConnectionManager.env().close()
        adapter.DuckDBConnectionManager.close_all_connections()


def _progress(emit: Emit, told: list[str]) -> Callable[[Any], None]:
    def on_event(event: Any) -> None:
        name = event.info.name
        if name in ("NodeStart", "NodeFinished"):
            info = event.data.node_info
            emit(
                {
                    "event": "started" if name == "NodeStart" else "finished",
                    "unique_id": info.unique_id,
                    "name": info.node_name,
                    "type": info.resource_type,
                    "status": info.node_status,
                }
            )
        elif name == "RunningOperationCaughtError":
            told.append(event.data.exc)  # a run-operation's own result keeps no message
        elif name == "ConcurrencyLine":
            emit({"event": "planned", "nodes": int(event.data.node_count)})

    return on_event


def _node(command: list[str], result: Any) -> dict[str, Any]:
    timing = {part.name: part for part in result.timing}
    span = timing.get("execute") or timing.get("compile")
    response = result.adapter_response or {}
    return {
        "unique_id": result.node.unique_id,
        "name": result.node.name,
        "type": str(result.node.resource_type),
        "status": str(result.status),
        "message": _sentence(result.message) if str(result.status) == "error" else result.message,
        "failures": result.failures,
        "compiled_code": result.node.compiled_code if command[0] == "compile" else None,
        "materialized": str(getattr(result.node.config, "materialized", "") or ""),
        "severity": str(getattr(result.node.config, "severity", "") or "").lower(),
        "rows": response.get("rows_affected"),
        "bytes_processed": response.get("bytes_processed"),
        "bytes_billed": response.get("bytes_billed"),
        "job_id": response.get("job_id"),
        "started_at": span.started_at.isoformat() if span and span.started_at else None,
        "completed_at": span.completed_at.isoformat() if span and span.completed_at else None,
    }


def _sentence(error: BaseException | str | None) -> str | None:
    """dbt's error without what it wraps it in: a first line that names the kind, a macro stack."""
    if error is None:
        return None
    lines = [line.strip() for line in str(error).strip().splitlines()]
    told = [line for line in lines if line and not line.startswith((">", "compiled code at"))]
    if len(told) > 1 and " Error" in told[0]:
        told = told[1:]
    return " ".join(told) or type(error).__name__


if __name__ == "__main__":
    main()
