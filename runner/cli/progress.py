"""dbt's progress, on stderr, as stdout is for the result."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from runner import logs
from runner.context import Context
from runner.engine.job import Event

CLEAR_LINE = "\r\033[K"


@contextmanager
def shown(context: Context) -> Iterator[Context]:
    """The context with progress on stderr; its dbt processes end with the block."""
    with Progress() as progress, context:
        yield replace(context, on_event=progress.follow, echo=progress.echo)


class Progress:
    """The current node, nodes done of all, and seconds: one line on a terminal, else many lines.

    Used as a context manager.
    """

    def __init__(self) -> None:
        self._is_live = sys.stderr.isatty()
        self._began = time.monotonic()
        self._total = self._done = 0
        self._running: list[str] = []
        self._waits_for = ""

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *error: object) -> None:
        if self._is_live:
            sys.stderr.write(CLEAR_LINE)

    def echo(self, text: str) -> None:
        """Show a text."""
        if self._is_live:
            line = f"{time.monotonic() - self._began:5.1f} s  {text}"
            sys.stderr.write(f"{CLEAR_LINE}{line[:100]}")
            sys.stderr.flush()
        else:
            sys.stderr.write(f"{text}\n")

    def follow(self, event: Event) -> None:
        """Show one event of dbt."""
        if event.kind == "waiting":
            if event.name != self._waits_for:
                self.echo(event.name)
                self._waits_for = event.name
            return
        if event.kind in ("warning", "terminal"):
            sys.stderr.write(f"{CLEAR_LINE if self._is_live else ''}{event.name}\n")
            return
        if event.kind == "planned":  # of this job: a command may have several
            self._total, self._done = event.nodes, 0
        elif event.kind == "started":
            self._running.append(event.name)
        elif event.kind == "finished":
            self._done += 1
            if event.name in self._running:
                self._running.remove(event.name)
        of_total = f"/{self._total}" if self._total else ""
        place = f"[{self._done}{of_total}]"
        if self._is_live:
            self.echo(f"{place} {self._running[-1] if self._running else ''}")
        elif event.is_reported and not isinstance(sys.stderr, logs.Console):  # else the log has it
            self.echo(f"{place} {event.type} {event.name}: {event.status}")
