"""Run `runner` and end it at one exact point: `kill_at.py POINT ARGS...`. No hook in the runner.

before:runner.control.claim.take before the call; after: once it has returned
after:runner.control.claim.take=TERM with another signal than KILL
event:finished:NODE             when dbt's event about a node reaches the runner
commit:claim                    before a transaction (of MARKS) is committed; close: after it
child:boot                      the dbt process, before it imports dbt
child:started:NODE              the dbt process, when a node starts or has `finished`
child:deleted:NODE              the dbt process, after a table's old rows are deleted; inserted,
                                proved, published: after that step of the same transaction
child:end                       the dbt process, before it hands over its result
child:gate                      kill nothing: the dbt process has its job, and begins when the file
                                `gate` is beside the warehouse; it makes `at_gate` before
patience:SECONDS                kill nothing: wait only so long for a locked warehouse
clock:SECONDS                   kill nothing: the runner's clock is off by so much
timeout:MINUTES                 kill nothing: the template's timeout
lost:runner.control.turns.start
                                kill nothing: after the call the control tables are gone
only:SELECTOR                   kill nothing: what the template has dbt build (see few_models.py)
jump:runner.control.claim.take=SECONDS
                                kill nothing: after the call the clock is off by so much

Several points, with a comma between, are arranged together.
"""

import contextlib
import importlib
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

sys.path[:0] = map(str, Path(__file__).resolve().parents[1:3])


def end(name: str = "KILL") -> None:
    os.kill(os.getpid(), signal.Signals[f"SIG{name}"])


def found(path: str) -> tuple[Any, str]:
    """The module or class that holds a dotted name, and the name's last part."""
    parts = path.split(".")
    owner: Any = importlib.import_module(".".join(parts[:2]))
    for part in parts[2:-1]:
        owner = getattr(owner, part)
    return owner, parts[-1]


def wrap(path: str, around: Callable[..., Any]) -> None:
    """Replace a function by `around(function, *args)`."""
    owner, name = found(path)
    inner = getattr(owner, name)
    setattr(owner, name, lambda *args, **named: around(inner, *args, **named))


def at_call(when: str, path: str, count: int, name: str) -> None:
    calls = 0

    def around(inner: Callable[..., Any], *args: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == count and when == "before":
            end(name)
        answer = inner(*args, **named)
        if calls == count and when == "after":
            end(name)
        return answer

    wrap(path, around)


def at_event(kind: str, node: str, name: str) -> None:
    def around(inner: Callable[..., Any], steps: Any, event: Any) -> Any:
        inner(steps, event)
        if (event.kind, event.name) == (kind, node):
            end(name)

    wrap("runner.orchestration.step_log.StepLog.follow", around)


# A transaction is known by a statement in it.
MARKS = {
    "claim": "when @starts and others.runs = 0 then 'RUNNING'",
    "finish": "duration_ms = @duration_ms",
    "alert": "set status = 'SENDING'",
    "sent": "sent_at = @sent_at",
    "tenant": "insert into `tenants.tenant_profiles`",
    "exports": "x_meta_exports",
}


def at_write(what: str, transaction: str) -> None:
    """End the process as one transaction is committed, or right after."""
    mark = MARKS[transaction]
    if transaction == "exports":
        at_close(mark)
        return
    from runner.control.sqlite_connection import Connection

    inner = Connection.execute

    def execute(self: Any, sql: str, *args: Any) -> Any:
        self.is_it = getattr(self, "is_it", False) or mark in sql
        if self.is_it and sql == "commit" and what == "commit":
            end()
        answer = inner(self, sql, *args)
        if self.is_it and sql == "commit":
            end()
        return answer

    Connection.execute = execute  # type: ignore[method-assign]


class Closing:
    """A DuckDB connection that ends the process as it is closed after a statement."""

    def __init__(self, inner: Any, mark: str) -> None:
        self._inner, self._mark, self._is_it = inner, mark, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def execute(self, sql: str, *args: Any) -> Any:
        self._is_it |= self._mark in sql
        return self._inner.execute(sql, *args)

    def close(self) -> None:
        if self._is_it:
            end()
        self._inner.close()


def at_close(mark: str) -> None:
    import duckdb

    connect = duckdb.connect
    duckdb.connect = lambda *args, **named: Closing(connect(*args, **named), mark)


def set_patience(seconds: float) -> None:
    from runner import context

    inner = context._stores
    context._stores = lambda settings, patience_seconds: inner(settings, seconds)


def set_clock(seconds: float) -> None:
    """Every module of the runner that checks the clock gets one that is off."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) + timedelta(seconds=seconds)

    control = ("claim", "queue", "quota", "runs", "spool", "tenants", "turns")
    others = ("names", "onboarding.rows", "orchestration.alerts", "orchestration.step_log")
    for name in (*(f"control.{one}" for one in control), *others):
        module = importlib.import_module(f"runner.{name}")
        if hasattr(module, "datetime"):
            module.datetime = Clock


def set_timeout(minutes: float) -> None:
    """A copy of the templates that differs in nothing but the timeout."""
    import tempfile

    from runner.pipelines import templates

    copy = Path(tempfile.mkdtemp()) / "pipelines"
    for path in templates.FOLDER.rglob("*.yml"):
        target = copy / path.relative_to(templates.FOLDER)
        target.parent.mkdir(parents=True, exist_ok=True)
        text, changed = re.subn(
            r"timeout_minutes: \d+", f"timeout_minutes: {minutes}", path.read_text()
        )
        assert changed == 1
        target.write_text(text)
    templates.FOLDER = copy


def set_selector(selector: str) -> None:
    """Templates differ in nothing but what they have dbt build."""
    from few_models import MODELS, as_dbt_knows_it

    from runner.engine.process import Worker
    from runner.pipelines import templates

    load, run_job = templates.load, Worker.run

    def load_with_selector(name: str) -> Any:
        template = load(name)
        dates = re.sub("_run$", "_dates", selector)
        step = replace(template.step, selector=selector, dates_selector=dates)
        return replace(template, step=step)

    def run(self: Worker, job: Any, *args: Any, **named: Any) -> Any:
        return run_job(self, as_dbt_knows_it(job), *args, **named)

    templates.load = load_with_selector
    if selector in MODELS:
        Worker.run = run  # type: ignore[method-assign]


def in_child(point: str) -> None:
    """Have the runner start this file in place of its worker."""
    start = subprocess.Popen

    def popen(command: list[str], *args: Any, **named: Any) -> Any:
        if command[1:] == ["-m", "runner.engine.worker"]:
            command = [sys.executable, __file__, f"in-child:{point}"]
        return start(command, *args, **named)

    subprocess.Popen = popen  # type: ignore[assignment,misc]


# The steps of a table's transaction, each known by a text of its statement.
STEPS = {
    "deleted": 'delete from "tenant_acme"."acme"."{node}"',
    "inserted": 'insert into "tenant_acme"."acme"."{node}"',
    "proved": "select error('not published",
    "published": "'{node}',",
}


def be_child(point: str) -> None:
    what, _, node = point.partition(":")
    if what == "boot":
        end()
    from runner.engine import worker

    if what == "end":
        worker._close_files = end
    if what == "gate":
        run = worker._run

        def wait_and_run(job: Any, emit: Any) -> Any:
            folder = Path(os.environ["WAREHOUSE_DIR"]).parent
            (folder / "at_gate").touch()
            while not (folder / "gate").exists():
                time.sleep(0.02)
            return run(job, emit)

        worker._run = wait_and_run
    if what in ("started", "finished"):
        inner = worker._progress

        def progress(emit: Any, reported: Any) -> Any:
            def on_event(event: Any) -> None:
                name = {"started": "NodeStart", "finished": "NodeFinished"}[what]
                if event.info.name == name and event.data.node_info.node_name == node:
                    end()
                inner(emit, reported)(event)

            return on_event

        worker._progress = progress
    if what in STEPS:
        from dbt.adapters.duckdb.environments.local import DuckDBCursorWrapper

        execute = DuckDBCursorWrapper.execute

        def broken(self: Any, sql: str, bindings: Any = None) -> Any:
            """The statements of the node's transaction one by one, as they are sent."""
            answer = None
            steps = [one for one in STEPS.values() if one.format(node=node) in sql]
            for statement in sql.split(";\n") if steps else [sql]:
                if statement.strip():
                    answer = execute(self, statement, bindings)
                if STEPS[what].format(node=node) in statement:
                    end()
            return answer

        DuckDBCursorWrapper.execute = broken  # type: ignore[method-assign]
    worker.main()


def lose(path: str) -> None:
    """Once the function has returned, the control tables are gone: another file is in place."""

    def around(inner: Callable[..., Any], *args: Any, **named: Any) -> Any:
        answer = inner(*args, **named)
        control = Path(os.environ["WAREHOUSE_DIR"]) / "control.db"
        if not control.with_suffix(".kept").exists():
            with contextlib.closing(sqlite3.connect(control)) as connection:
                connection.execute("pragma wal_checkpoint(truncate)")
            control.rename(control.with_suffix(".kept"))
            control.write_bytes(b"no database " * 1000)
        return answer

    wrap(path, around)


def jump(path: str, seconds: float) -> None:
    """Once the function has returned, the clock is off."""

    def around(inner: Callable[..., Any], *args: Any, **named: Any) -> Any:
        answer = inner(*args, **named)
        set_clock(seconds)
        return answer

    wrap(path, around)


def arrange(point: str) -> None:
    what, _, rest = point.partition(":")
    rest, _, name = rest.partition("=")
    rest, _, count = rest.partition("#")
    if what in ("before", "after"):
        at_call(what, rest, int(count or 1), name or "KILL")
    elif what == "event":
        kind, node = rest.split(":")
        at_event(kind, node, name or "KILL")
    elif what in ("commit", "close"):
        at_write(what, rest)
    elif what == "child":
        in_child(rest)
    elif what == "only":
        set_selector(rest)
    elif what == "lost":
        lose(rest)
    elif what == "jump":
        jump(rest, float(name))
    else:
        {"patience": set_patience, "clock": set_clock, "timeout": set_timeout}[what](float(rest))


def main() -> None:
    points = sys.argv.pop(1)
    if points.startswith("in-child:"):
        return be_child(points.removeprefix("in-child:"))
    for point in points.split(","):
        arrange(point)
    from runner.__main__ import main as runner

    return runner()


if __name__ == "__main__":
    main()
