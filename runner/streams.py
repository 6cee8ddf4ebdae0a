"""Standard output and error that never raise: what a command prints never decides how it ends."""

import errno
import io
import os
import sys


class _Forgiving(io.FileIO):
    """A file descriptor whose output is lost when its reader is gone or its disk is full."""

    lost: OSError | None = None

    def write(self, data):  # type: ignore[no-untyped-def]
        try:
            return super().write(data)
        except OSError as error:
            self.lost = self.lost or error
            return len(data)


_raw: dict[str, _Forgiving] = {}


def forgive() -> None:
    """Put such streams in the place of this process's own, once."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None or name in _raw:  # None: it was closed before we began
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
    """Why some of standard output was lost; None if nothing was, or its reader has closed it."""
    if "stdout" not in _raw:
        return None
    sys.stdout.flush()
    error = _raw["stdout"].lost
    return None if error is None or error.errno == errno.EPIPE else os.strerror(error.errno or 0)
