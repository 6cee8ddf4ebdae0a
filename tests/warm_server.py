"""The process that `warm` asks: it has imported dbt and the runner, and forks for each program."""

import atexit
import ctypes
import gc
import json
import logging
import os
import runpy
import selectors
import signal
import socket
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import made_once
import short_stack
import texts_once
import warm
from support import environment_in

from runner.engine import worker

IMPORTS = (
    *("runner.cli.app", "runner.cli.run", "runner.cli.history", "runner.cli.tenants"),
    *("runner.cli.service", "control_file", "duckdb"),
    *("dbt.cli.main", "dbt.task.build", "dbt.task.test", "babel.localtime"),
    "sqlparse.engine.grouping",
)
ADAPTERS = {
    "local": ("dbt.adapters.duckdb.environments.local",),
    "bigquery": ("dbt.adapters.bigquery", "google.cloud.bigquery"),
}
PR_SET_NAME = 15


def parse(tenant: str, target: str) -> None:
    """Parse the project as a run of the tenant does: dbt makes ready a lot when it first does.

    In a folder of its own. Where another process has parsed it, dbt would read that, and each fork
    would make from its texts what is here made once, in three times as long.
    """
    with tempfile.TemporaryDirectory() as folder:
        environ = environment_in(Path(folder))
        # dbt's static parser starts threads for good: a fork has none of them, and waits for ever.
        os.environ["DBT_STATIC_PARSER"] = "false"
        worker._parse(
            {
                **{"tenant_id": tenant, "environ": environ, "target": target},
                "project_dir": environ["RUNNER_PROJECT_DIR"],
                "profiles_dir": environ["DBT_PROFILES_DIR"],
                "log_path": folder,
                "target_path": f"{folder}/{target}",
            }
        )
    assert len(os.listdir("/proc/self/task")) == 1, "a fork would lack the other threads"


def serve(listener: socket.socket) -> dict[str, Any]:
    """Fork for each request until stdin closes. Returns in the forks only: what to run."""
    woken, wakes = os.pipe()
    os.set_blocking(wakes, False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.set_wakeup_fd(wakes)
    started: dict[int, socket.socket] = {}
    ready = selectors.DefaultSelector()
    for file in (listener, woken, sys.stdin):
        ready.register(file, selectors.EVENT_READ)
    while True:
        events = [key.fileobj for key, _ in ready.select()]
        if sys.stdin in events:
            gc.unfreeze()
            sys.exit()
        if woken in events:
            os.read(woken, 1024)
            report_ended(started)
        if listener not in events:
            continue
        client, _ = listener.accept()
        size, streams, _, _ = socket.recv_fds(client, 4, 3)
        with client.makefile("rb") as words:
            request: dict[str, Any] = json.loads(words.read(int.from_bytes(size, "big")))
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for number, stream in enumerate(streams):
                os.dup2(stream, number)
            for one in (listener, client, ready, *started.values()):
                one.close()
            for descriptor in (woken, wakes, *streams):
                os.close(descriptor)
            return request
        for stream in streams:
            os.close(stream)
        started[pid] = client
        warm.send(pid, client)


def report_ended(started: dict[int, socket.socket]) -> None:
    """Send the status of each ended fork to its waiting processes."""
    while started:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        with started.pop(pid) as client:
            try:
                warm.send(status, client)
            except OSError:  # no process waits any more
                continue


def become(request: dict[str, Any]) -> None:
    """Run `-m MODULE`, `-c CODE` or a file in this process, as Python would have."""
    if request["start_new_session"]:
        os.setsid()
    ctypes.CDLL(None).prctl(PR_SET_NAME, request["name"].encode())
    os.umask(request["umask"])
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    time.tzset()
    # dbt's parse has it write everything to standard error.
    logging.basicConfig(force=True, handlers=[], level=logging.WARNING)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    what, *words = request["args"]
    paths = os.environ.get("PYTHONPATH", "").split(":")
    sys.path[:0] = [os.path.dirname(what) if what[0] != "-" else "", *filter(None, paths)]
    if what == "-m":
        sys.argv = words
        sys.modules.pop(words[0] if "." in words[0] else "", None)
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)
    elif what == "-c":
        sys.argv = ["-c", *words[1:]]
        exec(compile(words[0], "<string>", "exec"), {"__name__": "__main__"})
    else:
        sys.argv = [what, *words]
        runpy.run_path(what, run_name="__main__")


def run(request: dict[str, Any]) -> None:
    """`become`, and end at once: taking apart what was imported takes longer than most programs."""
    code = 1

    def leave() -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)

    # Registered before the program's own, hence called after them.
    atexit.register(leave)
    try:
        become(request)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        raise
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)


def main() -> None:
    address, tenant, target = sys.argv[1:]
    for name in (*IMPORTS, *ADAPTERS[target]):
        import_module(name)
    short_stack.show_frames_only()
    texts_once.keep()
    made_once.keep()
    parse(tenant, target)
    gc.collect()
    gc.freeze()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(64)
        print("ready", flush=True)
        request = serve(listener)
    warm.use(address)
    run(request)


if __name__ == "__main__":
    main()
