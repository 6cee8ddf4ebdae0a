"""What a command works with: settings, the two stores, dbt processes, the mailbox."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from runner.control.sqlite import SqliteStore
from runner.control.store import Store
from runner.dataset.dataset import Dataset
from runner.dataset.duckdb import DuckDBDataset
from runner.engine.job import Event
from runner.engine.pool import Pool
from runner.errors import Interrupted, UsageProblem
from runner.mailing import Mailbox, SmtpMailbox
from runner.settings import Settings

# How long a command waits for a file that another program has open.
PATIENCE_SECONDS = 60.0


class Stop:
    """The signal that stops a command, visible to all threads."""

    def __init__(self, number: int = 0) -> None:
        self.number = number

    def now(self, number: int) -> None:
        """Stop by this signal, unless another has been received."""
        self.number = self.number or number

    def check(self) -> None:
        """Raises Interrupted after a signal."""
        if self.number:
            raise Interrupted(self.number)

    def sleep(self, seconds: float) -> None:
        """Wait; raises Interrupted as soon as a signal is received."""
        ends = time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0:
            self.check()
            time.sleep(min(0.2, left))


@dataclass(frozen=True)
class Context:
    """What a command works with. As a context manager it ends the dbt processes."""

    settings: Settings
    store: Store
    dataset: Dataset
    pool: Pool
    mailbox: Mailbox
    stop: Stop = field(default_factory=Stop)
    on_event: Callable[[Event], None] = field(default=lambda event: None)
    echo: Callable[[str], None] = field(default=lambda text: None)

    def __enter__(self) -> "Context":
        return self

    def __exit__(self, *error: object) -> None:
        self.pool.close()

    def for_thread(self) -> "Context":
        """The same with stores of its own, and silent: a client is not shared between threads."""
        store, dataset = _stores(self.settings, PATIENCE_SECONDS)
        silent: Callable[[object], None] = lambda message: None  # noqa: E731
        return replace(self, store=store, dataset=dataset, on_event=silent, echo=silent)


def open_context(settings: Settings, patience_seconds: float = PATIENCE_SECONDS) -> Context:
    """The stores of the chosen target. Raises UsageProblem for a broken profile."""
    store, dataset = _stores(settings, patience_seconds)
    return Context(settings, store, dataset, Pool(settings), SmtpMailbox(lambda: settings.mail))


def _stores(settings: Settings, patience_seconds: float) -> tuple[Store, Dataset]:
    target = settings.target({"tenant_id": "none"})
    if target.type == "bigquery":
        from runner.bigquery import Client
        from runner.control.bigquery import BigQueryStore
        from runner.dataset.bigquery import BigQueryDataset

        client = Client(target, settings.environ)
        return BigQueryStore(client), BigQueryDataset(client)

    @cache
    def path_of(tenant: str) -> Path:
        found = settings.target({"tenant_id": tenant})
        if not found.fields.get("path"):
            raise UsageProblem(
                f"{settings.profiles_path}: target '{found.name}' has no path: see"
                " profiles.yml.example."
            )
        return Path(str(found.fields["path"]))

    path = path_of("none").with_name("control.db")
    store = SqliteStore(path, settings.project_dir, patience_seconds)
    return store, DuckDBDataset(path_of, patience_seconds, store)
