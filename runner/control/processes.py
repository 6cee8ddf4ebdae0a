"""Processes of this host: which of them has a run, and whether it has ended."""

import contextlib
import os
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path


def hostname_and_pid() -> str:
    """host:pid, as the runs table names who runs a run."""
    return f"{this_host()}:{os.getpid()}"


@cache
def this_host() -> str:
    """The host's name, with what distinguishes it from others of that name, such as containers.

    Pids mean something only within one boot and one namespace; Linux names both.
    """
    import hashlib
    import socket

    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        return socket.gethostname()
    return f"{socket.gethostname()}.{hashlib.sha256((boot + space).encode()).hexdigest()[:8]}"


# A living run is taken for dead once the clock was set by more than this since it began.
CLOCK_TOLERANCE = timedelta(minutes=1)


def process_exited(worker_instance: str | None, since: datetime) -> bool:
    """Whether a host:pid is on this host and no longer the process that it was then.

    False for other hosts, and where the kernel does not show it.
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
        # The pid may have been given to another program since.
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        began = _began(pid)
    except (OSError, ValueError, IndexError, StopIteration):
        return False
    is_python = b"runner" in command or b"python" in command
    return not is_python or began > since + CLOCK_TOLERANCE


def _began(pid: str) -> datetime:
    """When a process of this host began, by the kernel's clock."""
    lines = Path("/proc/stat").read_text(encoding="ascii").splitlines()
    booted = next(int(line.split()[1]) for line in lines if line.startswith("btime"))
    # The name, in parentheses, may hold anything.
    fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    return datetime.fromtimestamp(booted + int(fields[19]) / os.sysconf("SC_CLK_TCK"), UTC)
