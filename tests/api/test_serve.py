"""What stands before the first call: the packages, the port, and the file that threads share."""

import contextlib
import json
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import duckdb
import pytest
import uvicorn
from click.testing import CliRunner
from control_file import Control, request
from serving import Scene
from support import ROOT

from runner import claim, shared_file, warehouse
from runner.api import protocol, server
from runner.cli import cli
from runner.errors import StatementRefused, UsageProblem
from runner.warehouse import open_warehouse


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


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When the control file was opened."""
    times: list[float] = []
    when_free = warehouse.DuckDBWarehouse._when_free

    def noted(self, *args):
        times.append(time.monotonic())
        return when_free(self, *args)

    monkeypatch.setattr(warehouse.DuckDBWarehouse, "_when_free", noted)
    return times


def test_threads_share_the_open_file_and_claims_stay_exact(control: Control, opened) -> None:
    """Forty claims by ten threads, of ten dates, under a limit of seven: seven runs."""
    control.subscribe(daily_limit=7, concurrent_limit=100)

    def take(n: int) -> str:
        mine = open_warehouse(control.settings, 30)
        day = date(2024, 1, 1) + timedelta(days=n % 10)
        look = (lambda: None) if n % 2 else None
        return claim.take(mine, request(day), ROOT, on_likely=look).id

    with ThreadPoolExecutor(10) as threads:
        list(threads.map(take, range(40)))
    assert len(opened) < 40, "many claims to one opening"
    statuses = [status for status, _ in control.runs()]
    assert statuses.count("PENDING") == 7
    days = control.sql("select run_date from acme.x_meta_pipeline_runs where status = 'PENDING'")
    assert len(set(days)) == 7


@pytest.mark.parametrize(
    "statement",
    [
        "update `{tenant}`.x_meta_lock set locked_by = 'test'",
        "update tenants.tenant_profiles set company_name = 'test' where tenant_id = @tenant_id",
    ],
)
def test_two_tenants_are_written_for_at_once_and_one_in_turn(
    control: Control, statement: str
) -> None:
    """In turn, or of two runs that end at once each would find the other's failure untold."""
    both = threading.Barrier(2, timeout=20)
    at_work: list[str] = []

    def write(tenant: str, when: Callable[[], dict[str, object]]) -> None:
        mine = open_warehouse(control.settings, 30)
        mine.write_in_turn(when, statement.format(tenant=tenant), tenant_id=tenant)

    def meet() -> dict[str, object]:
        both.wait()
        return {}

    def alone() -> dict[str, object]:
        at_work.append("begun")
        time.sleep(0.05)
        assert len(at_work) == 1
        at_work.clear()
        return {}

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(write, ("acme", "globex"), (meet, meet)))
        list(threads.map(write, ("acme",) * 4, (alone,) * 4))


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> Iterator[shared_file.SharedFile]:
    """A file for one transaction at a time, that nobody else wants."""
    monkeypatch.setattr(shared_file, "MOST_AT_ONCE", 1)
    shared = shared_file.SharedFile(lambda connection: None, lambda: False)
    yield shared
    shared.close(5)
    assert not shared.is_open


def in_order(shared: shared_file.SharedFile, keys: list[str]) -> list[int]:
    """In which order those begin that come one after the other while the first is at work."""
    began, go = [], threading.Event()

    def use(n: int) -> None:
        with shared.used(duckdb.connect, 30, keys[n]):
            began.append(n)
            go.wait(20)

    threads = [threading.Thread(target=use, args=(n,)) for n in range(len(keys))]
    for n, thread in enumerate(threads):
        thread.start()
        deadline = time.monotonic() + 20
        while len(shared._waiting) + len(began) <= n and time.monotonic() < deadline:
            time.sleep(0.002)
    go.set()
    for thread in threads:
        thread.join(20)
    return began


def test_who_comes_first_is_served_first(shared: shared_file.SharedFile) -> None:
    """Of many that wait, none is overtaken: the slowest answer is what a caller remembers."""
    assert in_order(shared, [""] * 6) == list(range(6))


def test_who_waits_for_a_tenant_holds_up_no_other(shared, monkeypatch) -> None:
    monkeypatch.setattr(shared_file, "MOST_AT_ONCE", 2)
    assert in_order(shared, ["a", "a", "b", "a"])[:2] == [0, 2]


def test_a_wait_that_ends_in_vain_leaves_the_file_to_others(shared) -> None:
    with shared.used(duckdb.connect, 5), pytest.raises(shared_file.NotFree):
        shared._begin(duckdb.connect, 0.01, "")
    with shared.used(duckdb.connect, 5) as connection:
        assert connection.execute("select 1").fetchall() == [(1,)]


@pytest.mark.parametrize("broken", ["threading.Thread.start", "the opening", "the connection"])
def test_what_breaks_at_the_beginning_leaves_the_file_to_others(
    shared, monkeypatch, broken: str
) -> None:
    def breaks(*args: object) -> None:
        raise RuntimeError(broken)

    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match=broken):
        if broken == "the connection":
            patch.setattr(shared, "_prepare", breaks)
        elif broken != "the opening":
            patch.setattr(broken, breaks)
        with shared.used(breaks if broken == "the opening" else duckdb.connect, 5):
            pytest.fail("it began")
    assert not shared.is_open
    with shared.used(duckdb.connect, 5) as connection:
        assert connection.execute("select 1").fetchall() == [(1,)]


def test_what_breaks_as_the_file_is_closed_takes_no_answer_back(shared, caplog) -> None:
    @contextlib.contextmanager
    def opened():
        with duckdb.connect() as connection:
            yield connection
        raise OSError("no space left on device")

    for _ in range(2):
        caplog.clear()
        with shared.used(opened, 5) as connection:
            assert connection.execute("select 1").fetchall() == [(1,)]
        shared.close(5)
        assert not shared.is_open and "no space left on device" in caplog.text


def test_a_command_that_is_stopped_while_it_waits_slows_nobody_down(shared) -> None:
    """It wants the file and never takes it: each opening serves for a while all the same."""
    shared._is_wanted = lambda: True
    openings = 0

    def opened():
        nonlocal openings
        openings += 1
        return duckdb.connect()

    until = time.monotonic() + 0.3
    count = 0
    while time.monotonic() < until:
        with shared.used(opened, 5):
            count += 1
    assert openings <= 5 < count


def test_others_have_their_turn_however_long_the_closing_took(shared) -> None:
    shared._is_wanted = lambda: True
    times: list[float] = []

    @contextlib.contextmanager
    def opened():
        times.append(time.monotonic())
        with duckdb.connect() as connection:
            yield connection
        time.sleep(2 * shared_file.PAUSE_SECONDS)
        times.append(time.monotonic())

    while len(times) < 5:
        with shared.used(opened, 5):
            time.sleep(0.01)
    turns = [opening - closed for closed, opening in zip(times[1::2], times[2::2], strict=False)]
    assert turns and min(turns) >= shared_file.PAUSE_SECONDS


def test_threads_that_end_together_do_not_take_each_other_for_a_command(
    control: Control, opened: list[float]
) -> None:
    control.path.with_suffix(".wanted").touch()  # somebody has waited once
    mine = open_warehouse(control.settings, 30)

    def work(n: int) -> None:
        until = time.monotonic() + 0.6
        while time.monotonic() < until:
            mine.read("select 1 as one")

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(4)))
    assert len(opened) == 1


def test_a_service_that_ends_right_after_a_call_takes_its_engine_down(control: Control) -> None:
    """A thread that still looked after the open file would have the engine complain of leaks."""
    script = (
        "import os, sys; sys.path[:0] = sys.argv[1:3]\n"
        "from pathlib import Path; from control_file import Control\n"
        "from runner.warehouse import open_warehouse\n"
        "control = Control(Path(sys.argv[3]), dict(os.environ))\n"
        "open_warehouse(control.settings, 30).read('select 1 as one')\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, str(ROOT / "tests" / "runner"), str(ROOT), control.folder],
        env={**control.environ, "PYTHONPATH": str(ROOT / "tests")},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ended.returncode, ended.stderr) == (0, "")


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
    mine = open_warehouse(control.settings, 30)

    def work() -> None:
        while not stop.is_set():
            mine.read("select 1 as one")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        told = subprocess.run(
            [sys.executable, "-m", "runner", "tenant", "list"],
            env={**control.environ, "PYTHONPATH": str(ROOT), "PATH": ""},
            capture_output=True,
            text=True,
            timeout=60,
        )
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
    assert told.returncode == 0 and "acme" in told.stdout, told.stderr


def test_the_file_is_let_go_of_soon_after_its_last_use(control: Control) -> None:
    mine = open_warehouse(control.settings, 30)
    mine.read("select 1 as one")
    deadline = time.monotonic() + 20
    while warehouse._SHARED[control.path].is_open:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert control.value("select count(*) from tenants.tenant_profiles") == 2


def test_an_error_closes_the_file_and_leaves_it_usable(control: Control) -> None:
    mine = open_warehouse(control.settings, 30)
    with pytest.raises(StatementRefused):
        mine.write(
            "update tenants.tenant_profiles set status = 'SUSPENDED'",
            "select * from tenants.no_such_table",
        )
    assert not warehouse._SHARED[control.path].is_open
    assert mine.read("select distinct status from tenants.tenant_profiles") == [
        {"status": "ACTIVE"}
    ]


def test_a_killed_service_loses_no_claim(control: Control) -> None:
    """Killed with the file open: what was committed is in its log, which the next one reads."""
    script = (
        "import os, sys; sys.path[:0] = sys.argv[1:3]\n"
        "from pathlib import Path; from control_file import Control, request\n"
        "from runner import claim; from runner.warehouse import open_warehouse\n"
        "control = Control(Path(sys.argv[3]), dict(os.environ))\n"
        "mine = open_warehouse(control.settings, 30)\n"
        "claim.take(mine, request(queued=True), control.settings.project_dir)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    folders = [str(ROOT / "tests"), str(ROOT / "tests" / "runner"), str(control.folder)]
    killed = subprocess.run(
        [sys.executable, "-c", script, *folders],
        env={**control.environ, "PYTHONPATH": str(ROOT), "PATH": ""},
        timeout=60,
    )
    assert killed.returncode == -9
    assert control.runs() == [("PENDING", None)]
    assert len(claim.sweep(control.warehouse, "acme").waiting) == 1


@pytest.fixture
def served(control: Control, dbt, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int]]:
    """The service, impatient."""
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.5)
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
        told = b""
        for part in parts:
            client.sendall(part)
            time.sleep(0.05)
        while more := client.recv(65536):
            told += more
    return told


LIVE = b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n"


def test_who_does_not_finish_asking_is_not_waited_for(served) -> None:
    began = time.monotonic()
    assert answered(served) == b"", "not a byte"
    assert answered(served, LIVE) == b"", "half a head"
    second = answered(served, LIVE + b"\r\n", LIVE)
    assert second.count(b"HTTP/1.1 200") == 1, "half a head after a whole request"
    assert time.monotonic() - began < 12


def test_a_connection_is_kept_between_requests(served) -> None:
    with socket.create_connection(served, timeout=20) as client:
        for pause in (0.2, 1.0, 0.0):
            client.sendall(LIVE + b"\r\n")
            time.sleep(0.3)  # head and body may come apart
            assert client.recv(65536).startswith(b"HTTP/1.1 200")
            time.sleep(pause)


def test_what_is_no_request_is_400_as_json(served) -> None:
    head, _, body = answered(served, b"\x16\x03\x01 hello\r\n\r\n").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400")
    assert set(json.loads(body)) == {"error", "message", "request_id"}


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
        told = answered(served, *parts)
        assert re.findall(rb"HTTP/1.1 \d+", told) == [b"HTTP/1.1 400"], told
        answer, _, body = told.partition(b"\r\n\r\n")
        assert b"connection: close" in answer.lower()
        assert set(json.loads(body)) == {"error", "message", "request_id"}


def test_either_length_alone_is_taken(served) -> None:
    for length in (b"Content-Length: 0\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"):
        assert answered(served, LIVE + b"Connection: close\r\n" + length).startswith(
            b"HTTP/1.1 200"
        )


def test_without_keys_a_call_by_http_1_0_is_refused(control: Control, dbt) -> None:
    """As nginx passes calls on unless told otherwise, with no header that says so."""
    with on_a_port(Scene(control, dbt, DISABLE_AUTH="true")) as address:
        assert answered(address, LIVE + b"Connection: close\r\n\r\n").startswith(b"HTTP/1.1 200")
        old = LIVE.replace(b"HTTP/1.1", b"HTTP/1.0") + b"\r\n"
        assert answered(address, old).startswith(b"HTTP/1.1 403")


def test_whoever_is_one_too_many_is_answered_503_as_json(served, monkeypatch) -> None:
    """And whoever was there before goes on, as does the next once somebody has left."""
    monkeypatch.setattr(protocol, "CONNECTIONS", 1)
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 20)
    with socket.create_connection(served, timeout=20) as first:
        first.sendall(LIVE + b"\r\n")
        time.sleep(0.3)  # head and body may come apart
        assert first.recv(65536).startswith(b"HTTP/1.1 200")
        head, _, body = answered(served, LIVE + b"\r\n").partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503") and b"retry-after: 5" in head.lower()
        told = json.loads(body)
        assert told["error"] == "try_again"
        assert f"x-request-id: {told['request_id']}".encode() in head.lower()
        first.sendall(LIVE + b"\r\n")
        time.sleep(0.3)  # head and body may come apart
        assert first.recv(65536).startswith(b"HTTP/1.1 200")
    time.sleep(0.2)
    assert answered(served, LIVE + b"Connection: close\r\n\r\n").startswith(b"HTTP/1.1 200")


def test_whom_a_header_names_is_not_taken_for_who_calls(control: Control, dbt) -> None:
    assert server.config_of(Scene(control, dbt).app).proxy_headers is False
