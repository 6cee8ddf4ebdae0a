"""Standard output and error that never raise: a failed print never ends a command."""

import errno
import io
import os
import sys


class _Forgiving(io.FileIO):
    """A file descriptor; output is dropped when its reader closed it or its disk is full."""

    lost: OSError | None = None

    def write(self, data):  # type: ignore[no-untyped-def]
        try:
            return super().write(data)
        except OSError as error:
            self.lost = self.lost or error
            return len(data)


_raw: dict[str, _Forgiving] = {}


def forgive() -> None:
    """Replace this process's stdout and stderr with such streams, once."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None or name in _raw:  # None: it was closed when the process started
            continue
        _raw[name] = _Forgiving(stream.fileno(), "w", closefd=False)
        text = io.TextIOWrapper(
            io.BufferedWriter(_raw[name]),
            encoding=stream.encoding,
            errors=stream.errors,
            line_buffering=stream.line_buffering or name == "stderr",
        )
        setattr(sys, name, text)


def lost_output() -> str | None:
    """Why part of standard output was lost; None if nothing was, or its reader closed it."""
    if "stdout" not in _raw:
        return None
    sys.stdout.flush()
    error = _raw["stdout"].lost
    return None if error is None or error.errno == errno.EPIPE else os.strerror(error.errno or 0)
