"""A stack without its lines of source, for a dbt process that sees thousands of Google's modules.

At each job dbt searches for the code that made each of its adapter's flags, in the complete stack:
Python then goes through all modules for each frame, which is more than half of the process's time.
"""

import inspect
import sys
from types import FrameType


def show_frames_only() -> None:
    """From now on `inspect.stack` gives (frame,) for each frame, the caller's first."""

    def stack(context: int = 1) -> list[tuple[FrameType]]:
        found, frame = [], sys._getframe(1)
        while frame is not None:
            found.append((frame,))
            frame = frame.f_back
        return found

    inspect.stack = stack  # type: ignore[assignment]
