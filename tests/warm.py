"""Programs in Python that start without their imports: forks of one process that has made them.

Most commands of the tests spend most of their time on importing dbt. While `serving`, what
`subprocess` starts with this Python is forked instead. It is a process of its own all the same,
with its own environment, folder and pipes, and can be killed.
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SERVER = Path(__file__).with_name("warm_server.py")
TESTS = SERVER.parent
FOLDERS = (TESTS.parent, TESTS, TESTS / "faults", TESTS / "bigquery")
PIPES = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
# The name of a fork's process has the name of its caller (Linux has room for 15 characters).
NAME = "of {}"

START = subprocess.Popen


# numpy and Arrow of Google's client start threads as they are imported, which no fork would have.
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}


@contextlib.contextmanager
def serving(tenant: str, target: str = "local", **environ: str) -> Iterator[None]:
    """Have the process that is forked, and have `subprocess` use it.

    What dbt parses for the tenant first is parsed before, for that target of the profile, with
    these variables.
    """
    with tempfile.TemporaryDirectory() as folder:
        address = f"{folder}/socket"
        server = START(
            [sys.executable, SERVER, address, tenant, target],
            env={**os.environ, **ONE_THREAD, **environ, "PYTHONPATH": ":".join(map(str, FOLDERS))},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert server.stdin and server.stdout and server.stdout.readline() == b"ready\n"
        use(address)
        try:
            yield
        finally:
            subprocess.Popen = START  # type: ignore[misc]
            server.stdin.close()
            server.wait()


def use(address: str) -> None:
    """Have this process ask the server there."""
    Popen.address = address
    subprocess.Popen = Popen  # type: ignore[misc]


# The pid of a fork and its status are so many bytes each: of one that ends at once both may be
# there when the first is read.
NUMBER = 8


def send(number: int, client: socket.socket) -> None:
    client.sendall(number.to_bytes(NUMBER, "big"))


def received(server: socket.socket) -> int:
    """The next number that was sent. Raises BlockingIOError when there is none yet."""
    number = server.recv(NUMBER)
    assert len(number) == NUMBER, "the process that is forked has gone"
    return int.from_bytes(number, "big")


class Popen(START[Any]):
    """Its process is forked and waited for by the server, if it is one of this Python's."""

    address = ""
    _server: socket.socket | None = None

    def _execute_child(self, *options: Any) -> None:
        names = START._execute_child.__code__.co_varnames[1:]
        given = dict(zip(names, options, strict=False))
        if given["args"][0] != sys.executable:
            return super()._execute_child(*options)
        umask = os.umask(0)
        os.umask(umask)
        request = {
            "args": [os.fspath(part) for part in given["args"][1:]],
            "cwd": os.fspath(given["cwd"] or os.getcwd()),
            "env": dict(os.environ if given["env"] is None else given["env"]),
            "umask": umask,
            "name": NAME.format(os.getpid()),
            "start_new_session": given["start_new_session"],
        }
        theirs = (given["p2cread"], given["c2pwrite"], given["errwrite"])
        streams = [number if one == -1 else one for number, one in enumerate(theirs)]
        words = json.dumps(request).encode()
        self._server = socket.socket(socket.AF_UNIX)
        self._server.connect(self.address)
        socket.send_fds(self._server, [len(words).to_bytes(4, "big")], streams)
        self._server.sendall(words)
        self.pid = received(self._server)
        self._child_created = True
        self._close_pipe_fds(*(given[name] for name in PIPES))

    def _try_wait(self, flags: int) -> tuple[int, int]:
        if self._server is None:
            return super()._try_wait(flags)
        self._server.setblocking(not flags & os.WNOHANG)
        try:
            status = received(self._server)
        except BlockingIOError:
            return 0, 0
        self._server.close()
        return self.pid, status

    def _internal_poll(self, *options: Any, **more: Any) -> int | None:
        if self._server is None:
            return super()._internal_poll(*options, **more)
        if self.returncode is None and self._waitpid_lock.acquire(False):
            try:
                if self.returncode is None:
                    pid, status = self._try_wait(os.WNOHANG)
                    if pid:
                        self._handle_exitstatus(status)
            finally:
                self._waitpid_lock.release()
        return self.returncode
