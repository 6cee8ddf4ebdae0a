"""What both layers share: an environment of their own, and no way to the network."""

import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import compiled_once  # noqa: F401  before what it is for
import pytest
from aiosmtpd.controller import Controller
from hypothesis.configuration import set_hypothesis_home_dir
from support import ROOT, Inbox, free_port

# What a shell may have set, and would lead a test to another warehouse or mail server.
OURS = ("WAREHOUSE_", "RUNNER_", "DBT_", "SMTP_", "ALERT_", "BIGQUERY_", "GOOGLE_", "GCP_", "LOG_")

set_hypothesis_home_dir(tempfile.mkdtemp(prefix="hypothesis-"))
# Before tests/, whose folders would pass for packages of their names.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

pytest_plugins = ["unit_fixtures"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Leave how long each file took, for `make test` to name the slowest."""
    seconds: dict[str, float] = {}
    for report in chain.from_iterable(terminalreporter.stats.values()):
        if isinstance(report, pytest.TestReport):
            file = report.nodeid.partition("::")[0]
            seconds[file] = seconds.get(file, 0.0) + report.duration
    folder = ROOT / "target" / "test-times"
    # `make test` makes the folder; a worker of pytest-xdist has only its own share.
    if folder.is_dir() and not hasattr(terminalreporter.config, "workerinput"):
        lines = (f"{spent:8.0f}  {file}\n" for file, spent in seconds.items())
        (folder / f"{os.getpid()}.txt").write_text("".join(lines))


@pytest.fixture(scope="session", autouse=True)
def clean_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing of the caller's: an empty HOME, none of the variables that the runner reads."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(OURS)]:
            patch.delenv(name)
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("DO_NOT_TRACK", "1")
        yield


@pytest.fixture(scope="session", autouse=True)
def no_network() -> Iterator[None]:
    """A connection to anything but this machine is an error."""
    connect = socket.socket.connect

    def connect_here(self: socket.socket, address: object) -> None:
        if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise AssertionError(f"a test wanted to reach {address}")
        connect(self, address)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connect_here)
        yield


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    """A real SMTP server, until the test ends."""
    box = Inbox(free_port())
    controller = Controller(box, hostname="127.0.0.1", port=box.port)
    controller.start()
    try:
        yield box
    finally:
        controller.stop()
