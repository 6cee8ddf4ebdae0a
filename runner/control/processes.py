"""Processes of this host, as the runs table names them, and whether one has exited."""

import contextlib
import os
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path


def hostname_and_pid() -> str:
    """This process as host:pid, the form in which a run's row names its process."""
    return f"{this_host()}:{os.getpid()}"


@cache
def this_host() -> str:
    """The host's name, with a suffix for its boot and pid namespace, such as of a container.

    A pid identifies a process only within one boot and one namespace.
    """
    import hashlib
    import socket

    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        return socket.gethostname()
    return f"{socket.gethostname()}.{hashlib.sha256((boot + space).encode()).hexdigest()[:8]}"


# A process that seems to have started this long after its run is another process with the same
# pid; a smaller difference is a change of the clock.
CLOCK_TOLERANCE = timedelta(minutes=1)


def process_exited(worker_instance: str | None, since: datetime) -> bool:
    """Whether a host:pid was a process of this host at `since` and has exited.

    False for other hosts, and where the kernel does not allow the check.
    """
    host, _, process = (worker_instance or "").rpartition(":")
    pid, _, dequeued = process.partition("@")
    if host != this_host() or not pid.isdigit():
        return False
    with contextlib.suppress(ValueError):
        since = datetime.fromtimestamp(float(dequeued), UTC)
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    try:
        # The kernel may have given the pid to another process since. Its program's name proves
        # nothing: a program that embeds the runner may have any name.
        state, began = _state(pid)
        return state == "Z" or began > since + CLOCK_TOLERANCE
    except (OSError, ValueError, IndexError, StopIteration):
        return False


def _state(pid: str) -> tuple[str, datetime]:
    """A process's state (Z: it exited, and its parent has not read that), and when it started."""
    lines = Path("/proc/stat").read_text(encoding="ascii").splitlines()
    booted = next(int(line.split()[1]) for line in lines if line.startswith("btime"))
    # The name, in parentheses, may hold anything.
    fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    began = booted + int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return fields[0], datetime.fromtimestamp(began, UTC)
