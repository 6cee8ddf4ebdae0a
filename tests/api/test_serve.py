"""What stands before the first call: the packages, the port, and the file that threads share."""

import contextlib
import io
import json
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta

import pytest
import uvicorn
from click.testing import CliRunner
from compiled_once import SYSTEM
from control_file import Control, request
from serving import Scene
from support import ROOT

from runner import logs
from runner.api import server
from runner.cli.app import cli
from runner.context import open_context
from runner.control import claim, queue
from runner.errors import UsageProblem


def test_a_package_that_is_not_installed_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("runner.api")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("runner.api", raising=False)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    answer = CliRunner().invoke(cli, ["serve"], env={"RUNNER_PROJECT_DIR": str(ROOT)})
    assert answer.exit_code == 2 and "uvicorn" in answer.output and "make run" in answer.output
    assert "Traceback" not in answer.output


def test_a_port_that_is_taken_is_one_sentence(control: Control) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageProblem, match=f"Port {port} .* --port"):
            server.serve(control.settings, "127.0.0.1", port, 1, 0, lambda text: None)


def test_a_mail_setting_that_cannot_be_meant_is_refused_before_the_port_is_opened(
    control: Control,
) -> None:
    """Else the first run to send mail would find it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        environ = {**control.environ, "SMTP_PORT": "smtp"}
        answer = CliRunner().invoke(cli, ["serve", "--port", port], env=environ)
    assert answer.exit_code == 2, answer.output
    assert "SMTP_PORT is 'smtp'" in answer.output and port not in answer.output


def test_claims_of_many_threads_stay_exact(control: Control) -> None:
    """Forty claims by ten threads, of ten dates, under a limit of seven: seven runs."""
    control.subscribe(daily_limit=7, concurrent_limit=100)

    def take(n: int) -> str:
        mine = open_context(control.settings, 30)
        day = date(2024, 1, 1) + timedelta(days=n % 10)
        return claim.take(mine.store, request(day)).id

    with ThreadPoolExecutor(10) as threads:
        list(threads.map(take, range(40)))
    statuses = [status for status, _ in control.runs()]
    assert statuses.count("PENDING") == 7
    days = control.sql("select run_date from acme.x_meta_pipeline_runs where status = 'PENDING'")
    assert len(set(days)) == 7


def test_one_writes_at_a_time(control: Control) -> None:
    """Or of two runs that end at once each would find the other's failure unreported."""
    at_work: list[str] = []

    def write(n: int) -> None:
        mine = open_context(control.settings, 30)
        mine.store.write_in_turn(alone, "update `acme.x_meta_lock` set locked_by = 'test'")

    def alone() -> dict[str, object]:
        at_work.append("begun")
        time.sleep(0.05)
        assert len(at_work) == 1
        at_work.clear()
        return {}

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(write, range(4)))


def test_an_answer_is_not_held_up_until_its_beginning_is_acknowledged() -> None:
    """Without TCP_NODELAY each answer takes 40 ms more. asyncio sets it by a mark that accepted
    sockets of ours do not have."""
    with (
        server._listen("127.0.0.1", 0) as listener,
        socket.create_connection(listener.getsockname()),
    ):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_another_command_has_its_turn_while_the_service_is_busy(control: Control) -> None:
    """Though the service would use the file without end."""
    stop = threading.Event()
    mine = open_context(control.settings, 30)

    def work() -> None:
        while not stop.is_set():
            mine.store.read("select 1 as one")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        result = subprocess.run(
            [sys.executable, "-m", "runner", "tenant", "list"],
            env={**SYSTEM, **control.environ, "PYTHONPATH": str(ROOT), "PATH": ""},
            capture_output=True,
            text=True,
            timeout=60,
        )
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
    assert result.returncode == 0 and "acme" in result.stdout, result.stderr


def test_a_killed_service_loses_no_claim(control: Control) -> None:
    """Killed with the file open: what was committed is in its log, which the next one reads."""
    script = (
        "import os, sys; sys.path[:0] = sys.argv[1:3]\n"
        "from pathlib import Path; from control_file import Control, request\n"
        "from runner.control import claim; from runner.context import open_context\n"
        "control = Control(Path(sys.argv[3]), dict(os.environ))\n"
        "mine = open_context(control.settings, 30)\n"
        "claim.take(mine.store, request(queued=True))\n"
        "os.kill(os.getpid(), 9)\n"
    )
    folders = [str(ROOT / "tests"), str(ROOT), str(control.folder)]
    killed = subprocess.run(
        [sys.executable, "-c", script, *folders],
        env={**SYSTEM, **control.environ, "PYTHONPATH": str(ROOT), "PATH": ""},
        timeout=60,
    )
    assert killed.returncode == -9
    assert control.runs() == [("PENDING", None)]
    assert len(queue.sweep(control.context.store, "acme").waiting) == 1


@pytest.fixture
def served(control: Control, dbt) -> Iterator[tuple[str, int]]:
    """The address of the service."""
    with on_a_port(Scene(control, dbt)) as address:
        yield address


@contextlib.contextmanager
def on_a_port(scene: Scene) -> Iterator[tuple[str, int]]:
    """The service as `runner serve` has uvicorn serve it, on a port of its own."""
    listener = socket.create_server(("127.0.0.1", 0))
    running = uvicorn.Server(server.config_of(scene.app))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield listener.getsockname()[:2]
    finally:
        running.should_exit = True
        thread.join(30)


def answered(address: tuple[str, int], *parts: bytes) -> bytes:
    """All that comes back until the service closes the connection."""
    with socket.create_connection(address, timeout=20) as client:
        result = b""
        for part in parts:
            client.sendall(part)
            time.sleep(0.05)
        while more := client.recv(65536):
            result += more
    return result


LIVE = b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n"


def test_a_connection_is_kept_between_requests(served) -> None:
    with socket.create_connection(served, timeout=20) as client:
        for pause in (0.2, 1.0, 0.0):
            client.sendall(LIVE + b"\r\n")
            time.sleep(0.3)  # head and body may come apart
            assert client.recv(65536).startswith(b"HTTP/1.1 200")
            time.sleep(pause)


def test_what_is_no_request_is_400(served) -> None:
    assert answered(served, b"\x16\x03\x01 hello\r\n\r\n").startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked",
        b"HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5",
        b"HTTP/1.1\r\nHost: 127.0.0.1\r\ntransfer-encoding: Chunked\r\ncontent-length: 0",
        b"HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked, gzip\r\nContent-Length: 5",
        b"HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x",
        b"HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding : chunked\r\nContent-Length: 5",
        b"HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: xchunked\r\nContent-Length: 5",
        b"HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nContent-Length: 6",
        b"HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: +5",
        b"HTTP/1.0\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked",
    ],
)
def test_a_request_of_two_lengths_is_400_and_hides_no_other(served, head: bytes) -> None:
    """Else a proxy that reads the other length lets the second request through unseen."""
    # The second is the first's body by one way of reading it.
    smuggled = b"POST /health/live " + head + b"\r\n\r\n0\r\n\r\n" + LIVE + b"\r\n"
    for parts in ([smuggled], [smuggled[:40], smuggled[40:]]):
        result = answered(served, *parts)
        assert re.findall(rb"HTTP/1.1 \d+", result) == [b"HTTP/1.1 400"], result
        assert b"connection: close" in result.partition(b"\r\n\r\n")[0].lower()


def test_either_length_alone_is_taken(served) -> None:
    for length in (b"Content-Length: 0\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"):
        assert answered(served, LIVE + b"Connection: close\r\n" + length).startswith(
            b"HTTP/1.1 200"
        )


def test_a_length_over_the_limit_is_refused_before_the_body_comes(served) -> None:
    head = LIVE.replace(b"GET", b"POST") + b"Connection: close\r\n"
    began = time.monotonic()
    for length in (b"100000", b"9" * 20):
        result = answered(served, head + b"Content-Length: " + length + b"\r\n\r\n")
        assert result.startswith(b"HTTP/1.1 413") and b"body_too_large" in result
    assert time.monotonic() - began < 5, "the body was not waited for"


def test_without_keys_a_call_by_http_1_0_is_refused(control: Control, dbt) -> None:
    """As nginx passes calls on by default, with no header that names it."""
    with on_a_port(Scene(control, dbt, DISABLE_AUTH="true")) as address:
        assert answered(address, LIVE + b"Connection: close\r\n\r\n").startswith(b"HTTP/1.1 200")
        old = LIVE.replace(b"HTTP/1.1", b"HTTP/1.0") + b"\r\n"
        assert answered(address, old).startswith(b"HTTP/1.1 403")


@pytest.mark.parametrize("is_json", [False, True])
def test_the_warning_of_a_service_without_keys_is_printed_once(
    control: Control, monkeypatch: pytest.MonkeyPatch, is_json: bool
) -> None:
    """For people between lines of stars; as JSON it is one record of the log."""
    shown = io.StringIO()
    monkeypatch.setattr("sys.stderr", shown)
    monkeypatch.setenv("LOG_FORMAT", "json" if is_json else "text")
    monkeypatch.setattr(server, "_listen", lambda host, port: sys.exit())
    open_to_all = replace(control.settings, environ={**control.environ, "DISABLE_AUTH": "true"})
    with logs.console(True), pytest.raises(SystemExit):
        server.serve(open_to_all, "127.0.0.1", 0, 1, 1.0, print)
    if is_json:
        document = json.loads(shown.getvalue())
        assert (document["severity"], document["message"]) == ("WARNING", server.OPEN)
    else:
        assert shown.getvalue().splitlines() == ["*" * 78, server.OPEN, "*" * 78]


def test_a_connection_too_many_is_answered_503(control: Control, dbt, monkeypatch) -> None:
    """And the next is answered once another has left."""
    monkeypatch.setattr(server, "CONNECTIONS", 2)
    with on_a_port(Scene(control, dbt)) as address:
        with socket.create_connection(address, timeout=20) as first:
            first.sendall(LIVE + b"\r\n")
            assert first.recv(65536).startswith(b"HTTP/1.1 200")
            refused = answered(address, LIVE + b"Connection: close\r\n\r\n")
            assert refused.startswith(b"HTTP/1.1 503")
        time.sleep(0.2)
        again = answered(address, LIVE + b"Connection: close\r\n\r\n")
        assert again.startswith(b"HTTP/1.1 200")


def test_a_header_does_not_decide_the_callers_address(control: Control, dbt) -> None:
    assert server.config_of(Scene(control, dbt).app).proxy_headers is False
