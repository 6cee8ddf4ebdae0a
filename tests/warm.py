"""Programs in Python that start without their imports: forks of one process that has made them.

Most commands of the tests spend most of their time on importing dbt. While `serving`, what
`subprocess` starts with this Python is forked instead. It is a process of its own all the same,
with its own environment, folder and pipes, and can be killed.
"""

import contextlib
import fcntl
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
def serving(
    tenant: str, target: str = "local", shared: Path | None = None, **environ: str
) -> Iterator[None]:
    """Have the process that is forked, and have `subprocess` use it.

    What dbt parses for the tenant first is parsed before, for that target of the profile, with
    these variables. Processes that name the same folder as `shared` have one: the first starts it,
    and it ends when the last of them has left.
    """
    with tempfile.TemporaryDirectory() as own:
        folder = shared or Path(own)
        address = str(folder / "socket")
        with open(folder / "lock", "w") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            users = _joined(folder / "users")
            if users is None:
                users = _started(folder, [address, tenant, target], environ)
        use(address)
        try:
            yield
        finally:
            subprocess.Popen = START  # type: ignore[misc]
            os.close(users)


def _joined(users: Path) -> int | None:
    """Open the pipe on whose last closing the process ends; None where there is no process yet."""
    try:
        return os.open(users, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:  # there is no pipe, or nothing reads it any more
        return None


def _started(folder: Path, words: list[str], environ: dict[str, str]) -> int:
    """Start the process; its pipe, as `_joined` opens it."""
    for name in ("users", "socket"):
        (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / "users")
    reading = os.open(folder / "users", os.O_RDONLY | os.O_NONBLOCK)
    users = _joined(folder / "users")
    assert users is not None
    server = START(
        [sys.executable, SERVER, *words],
        env={**os.environ, **ONE_THREAD, **environ, "PYTHONPATH": ":".join(map(str, FOLDERS))},
        stdin=reading,
        stdout=subprocess.PIPE,
    )
    os.close(reading)
    assert server.stdout and server.stdout.readline() == b"ready\n"
    server.stdout.close()
    server.returncode = 0  # it may outlast this process: nothing waits for it
    return users


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
