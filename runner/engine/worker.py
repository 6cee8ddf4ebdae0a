"""The child process that imports dbt once and runs one job for each line of stdin.

Jobs, events and results are JSON lines, on stdin and stdout. All output of dbt and of libraries
goes to stderr, so it never mixes with them. A job without a command only imports dbt, and has no
result.
"""

import contextlib
import fcntl
import gc
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from queue import Queue
from typing import Any

from runner import streams
from runner.expectations import without_rows

# Prefixes of what macros log for people: warnings, and lines for the operator's terminal only.
LOGGED = ("WARNING: ", "TERMINAL: ")

Emit = Callable[[dict[str, Any]], None]


def main() -> None:
    """Run jobs until stdin closes."""
    os.umask(0o077)
    signal.signal(signal.SIGTERM, _interrupt)
    out = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)
    streams.forgive()

    def emit(message: dict[str, Any]) -> None:
        out.write(json.dumps(message, default=str) + "\n")

    jobs: Queue[str] = Queue()
    threading.Thread(target=_listen, args=(jobs,), daemon=True).start()
    while True:
        job = json.loads(jobs.get())
        os.environ.update(job["environ"])
        _import_dbt(job["adapter"])
        if not job["command"]:
            continue
        _Busy.now = True
        answer = _run(job, emit)
        # Before the answer: the parent may open the file as soon as it reads it.
        _close_files()
        emit(answer)
        _Busy.now = False
        if _Busy.asked_to_stop:
            os._exit(0)


class _Busy:
    """Whether a job runs, and whether the parent has asked to stop during it."""

    now = False
    asked_to_stop = False


def _interrupt(number: int, frame: object) -> None:
    """On SIGTERM: exit if idle; else interrupt dbt as Ctrl-C does, so it cancels its queries."""
    if not _Busy.now:
        os._exit(0)
    _Busy.asked_to_stop = True
    raise KeyboardInterrupt


def _listen(jobs: "Queue[str]") -> None:
    """Read jobs while the parent lives; exit with it, even during a job."""
    for line in sys.stdin:
        jobs.put(line)
    # The engine rolls back the open transaction: no date is left partly written.
    os._exit(3)


@cache
def _import_dbt(adapter: str) -> None:
    """Import dbt and its adapter, which takes longer than anything else before the first job."""
    gc.disable()  # until _begin_to_collect
    import_module("dbt.cli.main")
    import_module(f"dbt.adapters.{adapter}")


@cache
def _begin_to_collect() -> None:
    """Restrict Python's garbage collector to objects that are made from now on.

    Nearly all objects of an import and a parse are kept: to traverse them took 5 % of a run.
    """
    gc.freeze()
    gc.enable()


def _run(job: dict[str, Any], emit: Emit) -> dict[str, Any]:
    """Run one job: parse the project for its tenant, then run the command with all vars."""
    from dbt.cli.main import dbtRunner

    parsed = _parse(job)
    _begin_to_collect()
    if not parsed.success:
        error = parsed.exception or "dbt could not parse the project"
        return {"event": "result", "success": False, "error": _sentence(error)}
    errors: list[str] = []
    invoked = dbtRunner(manifest=parsed.result, callbacks=[_progress(emit, errors)]).invoke(
        [
            *(*job["command"], *_options(job)),
            # The outcome is returned from here: dbt's own files of it would take a second.
            *("--log-level-file", job["log_level"], "--vars"),
            json.dumps({"tenant_id": job["tenant_id"], **job["vars"]}),
        ]
    )
    results = getattr(invoked.result, "results", None) or []
    return {
        "event": "result",
        "success": bool(invoked.success),
        "error": _sentence(invoked.exception or (errors[0] if errors else None)),
        "nodes": [_node(job["command"], result) for result in results if hasattr(result, "node")],
    }


def _parse(job: dict[str, Any]) -> Any:
    """The result of `dbt parse` for the job's tenant, in the tenant's own folder.

    dbt caches it there, and then parses only changed files while vars and environment are equal.
    So the vars have no dates, and WAREHOUSE_DIR, which parsing does not need, has a fixed value.
    The lock admits one process at a time to the cache.
    """
    from dbt.cli.main import dbtRunner

    folder = Path(job["target_path"])
    folder.mkdir(parents=True, exist_ok=True)
    shape = json.dumps({"tenant_id": job["tenant_id"]})
    with (folder / "parse.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.environ["WAREHOUSE_DIR"] = "not-opened"
        parsed = dbtRunner().invoke(
            ["parse", *_options(job), "--log-level-file", "none", "--vars", shape]
        )
        os.environ["WAREHOUSE_DIR"] = job["environ"]["WAREHOUSE_DIR"]
    return parsed


def _options(job: dict[str, Any]) -> tuple[str, ...]:
    return (
        *("--project-dir", job["project_dir"], "--profiles-dir", job["profiles_dir"]),
        *("--target", job["target"], "--log-path", job["log_path"], "--log-level", "none"),
        *("--target-path", job["target_path"], "--no-write-json", "--no-use-colors"),
        *("--no-send-anonymous-usage-stats", "--no-version-check"),
    )


def _close_files() -> None:
    """Close DuckDB's file, which dbt-duckdb would hold until the process ends."""
    adapter = sys.modules.get("dbt.adapters.duckdb.connections")
    if adapter is not None:
        with contextlib.suppress(Exception):  # it raises a bare Exception when no file is open
            adapter.DuckDBConnectionManager.env().close()
        adapter.DuckDBConnectionManager.close_all_connections()


def _progress(emit: Emit, errors: list[str]) -> Callable[[Any], None]:
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
            errors.append(event.data.exc)  # a run-operation's own result keeps no message
        elif name == "JinjaLogInfo" and event.data.msg.startswith(LOGGED):
            kind, _, text = event.data.msg.partition(": ")
            emit({"event": kind.lower(), "name": text})
        elif name == "ConcurrencyLine":
            emit({"event": "planned", "nodes": int(event.data.node_count)})

    return on_event


def _node(command: list[str], result: Any) -> dict[str, Any]:
    timing = {part.name: part for part in result.timing}
    work = timing.get("execute") or timing.get("compile")
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
        **{name: response.get(name) for name in ("bytes_processed", "bytes_billed", "job_id")},
        "started_at": work.started_at.isoformat() if work and work.started_at else None,
        "completed_at": work.completed_at.isoformat() if work and work.completed_at else None,
    }


def _sentence(error: BaseException | str | None) -> str | None:
    """dbt's error in one line, without the first line that names its kind, the stack of macros,
    and rows that the engine quotes."""
    if error is None:
        return None
    lines = [line.strip() for line in without_rows(str(error)).strip().splitlines()]
    kept = [line for line in lines if line and not line.startswith((">", "compiled code at"))]
    if len(kept) > 1 and " Error" in kept[0]:
        kept = kept[1:]
    return " ".join(kept) or type(error).__name__


if __name__ == "__main__":
    main()
