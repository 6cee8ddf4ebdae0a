"""A landing fails or is killed beside the tenants that read it: they have no partial date."""

import hashlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from compiled_once import SYSTEM
from exports import ACCOUNT, charge, write_parquet
from support import ROOT, only
from world import SharedWorker, World, a_world

from runner.context import open_context
from runner.control import claim, tenants
from runner.dates import DateRange
from runner.engine.job import Event
from runner.orchestration import claiming, landings
from runner.orchestration.report import Report
from runner.orchestration.run import run_dates
from runner.pipelines import templates
from runner.settings import Settings

DAYS = (date(2024, 11, 1), date(2024, 11, 2))
DATES = ("--from", "2024-11-01", "--to", "2024-11-02")
BARE = "from_date: 2024-11-01, to_date: 2024-11-02}"
# Rows and cost of each date, before the export moved and after.
OLD, NEW = (2, Decimal(3)), (4, Decimal(40))
BEFORE = [charge(str(day), cost) for day in DAYS for cost in (1.0, 2.0)]
AFTER = [charge(str(day), 10.0) for day in DAYS for _ in range(4)]
# A charge that no run can load: the landing's proof fails.
WITHOUT_A_DATE = charge("2024-11-02", 1.0, usage_start_time=None)


@pytest.fixture(scope="module", autouse=True)
def without_marts() -> Iterator[None]:
    with only("layers"):
        yield


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A landing and its reader, loaded. To be copied, never changed."""
    world = a_world(tmp_path_factory.mktemp("readers"))
    export = write_parquet(world.folder / "exports" / "shared.parquet", BEFORE)
    world.add("shared", export, "--landing")
    world.add("mine", "tenant:shared", "--billing-account", ACCOUNT)
    for tenant in ("shared", "mine"):
        world.run(tenant, "2024-11-01", "2024-11-02")
    return world


@pytest.fixture
def world(landed: World, tmp_path: Path) -> Iterator[World]:
    """A copy of it, whose export may move: it is as it was for the next test."""
    export = landed.folder / "exports" / "shared.parquet"
    kept = export.read_bytes()
    yield landed.copy(tmp_path)
    export.write_bytes(kept)


def moves(landed: World, *more: dict[str, Any]) -> None:
    """Have the export correct both dates."""
    write_parquet(landed.folder / "exports" / "shared.parquet", [*AFTER, *more])


def loaded(world: World) -> list[tuple[Any, ...]]:
    """Rows and cost of each date of the reader's bill."""
    bill = world.bill("mine")
    return [bill[day][:2] if day in bill else (0, Decimal(0)) for day in DAYS]


def files(world: World) -> dict[str, str]:
    folder = world.warehouse / "landing" / "shared"
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_a_failed_run_of_the_landing_keeps_its_files_and_its_readers_wait(
    landed: World, world: World
) -> None:
    before = files(world)
    moves(landed, WITHOUT_A_DATE)
    failed = world("run", "--tenant", "shared", *DATES)
    assert failed.exit_code == 1 and files(world) == before, failed.output
    refused = world("run", "--tenant", "mine", *DATES)
    assert refused.exit_code == 2 and "runner run --tenant shared" in refused.stderr
    moves(landed)
    for tenant in ("shared", "mine"):
        world.run(tenant, "2024-11-01", "2024-11-02")
    assert loaded(world) == [NEW, NEW]


def test_under_bare_dbt_a_failed_landing_keeps_its_files_for_its_readers(
    landed: World, world: World
) -> None:
    before = files(world)
    moves(landed, WITHOUT_A_DATE)
    vars_of = "{tenant_id: %s, " + BARE
    failed = world.dbt("build", "--selector", "landing", "--vars", vars_of % "shared")
    assert failed.returncode == 1 and files(world) == before, failed.stdout
    read = ("run", "--select", "billing_cost_daily")
    answer = world.dbt(*read, "--vars", vars_of % "mine")
    assert answer.returncode == 0, answer.stdout
    assert loaded(world) == [OLD, OLD]


@pytest.mark.parametrize(
    ("blocked", "lost"),
    [
        ("2024-11-01", []),
        ("2024-11-02", ["2024-11-01"]),
        ("published", ["2024-11-01", "2024-11-02"]),
    ],
)
def test_after_a_kill_between_commit_and_last_rename_what_was_replaced_is_refused(
    landed: World, world: World, blocked: str, lost: list[str]
) -> None:
    moves(landed)
    # The engine writes each file under this name first, and waits for who would read a pipe.
    pipe = world.warehouse / "landing" / "shared" / f"tmp_{blocked}.parquet"
    before = files(world)
    os.mkfifo(pipe)
    command = ("run", "--select", "export_landing")
    process = subprocess.Popen(
        [sys.executable, "-m", "dbt.cli.main", *command, "--vars", "{tenant_id: shared, " + BARE],
        cwd=ROOT,
        env={**SYSTEM, "HOME": os.environ["HOME"], **world.environ},
        stdout=subprocess.DEVNULL,
    )
    try:
        # What follows the commit has begun, and stands at the pipe.
        log = Path(world.environ["DBT_LOG_PATH"]) / "dbt.log"
        deadline = time.monotonic() + 60
        while not (log.exists() and "published.parquet" in log.read_text()):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(0.5)
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()
        pipe.unlink()
    now = files(world)
    assert [name for name in before if before[name] != now[name]] == [
        f"{day}.parquet" for day in lost
    ]
    for day in map(str, DAYS):
        answer = world("run", "--tenant", "mine", "--date", day)
        assert answer.exit_code == (1 if day in lost else 0), answer.output
        if day in lost:
            assert f"shared has not completely landed {day}: run" in answer.stdout
    assert loaded(world) == [OLD, OLD]
    # One plain rerun of each, and all is of one run.
    for tenant in ("shared", "mine"):
        world.run(tenant, "2024-11-01", "2024-11-02")
    assert loaded(world) == [NEW, NEW]


class OtherWorker(SharedWorker):
    """A dbt process beside the session's: two runs at the same time."""

    process = None
    turn = threading.Lock()


@pytest.fixture(scope="module")
def other_dbt() -> Iterator[None]:
    yield
    if OtherWorker.process is not None:
        OtherWorker.process.stop()


class OtherPool:
    """Lends it."""

    def __init__(self, settings: Settings) -> None:
        self.worker = OtherWorker(settings, settings.log_dir / "dbt")

    def warm_up(self) -> None: ...
    def close(self) -> None: ...

    @contextmanager
    def lend(self) -> Iterator[OtherWorker]:
        yield self.worker


def a_run(world: World, tenant: str, pool: Any, on_event: Callable[[Event], None]) -> Report:
    """A run of both dates, with a hook at each event."""
    context = open_context(Settings(ROOT, None, world.environ))
    template = templates.load(templates.LANDING if tenant == "shared" else templates.DEFAULT)
    request = claiming.request_of(
        context.settings,
        tenants.known(context.store, tenant),
        template,
        DateRange(*DAYS),
        claim.Trigger("manual", "test"),
    )
    with replace(context, pool=pool or context.pool, on_event=on_event) as own:
        return run_dates(own, request, template)


class FailingLanding(threading.Thread):
    """A run of the landing, which has begun when `start` returns and ends after `let_it_end`."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.report: Report | None = None
        self.began, self.may_end = threading.Event(), threading.Event()

    def run(self) -> None:
        pool = OtherPool(Settings(ROOT, None, self.world.environ))
        self.report = a_run(self.world, "shared", pool, self._at)

    def _at(self, event: Event) -> None:
        self.began.set()
        if event.name == "export_landing":
            assert self.may_end.wait(60)

    def start(self) -> None:
        super().start()
        assert self.began.wait(60)

    def let_it_end(self) -> None:
        self.may_end.set()
        self.join(60)


POINTS = [
    "before it is asked for",
    "waiting starting dbt",
    "planned",
    "started stg_gcp_billing__export",
    "finished stg_gcp_billing__export",
    "started billing_cost_daily",
    "finished billing_cost_daily",
    "started gcp_silver_cost",
    "finished gcp_silver_cost",
    "after its end",
]


@pytest.mark.parametrize("ends", ["at once", "after its reader"])
@pytest.mark.parametrize("point", POINTS)
def test_a_reader_beside_its_landings_failing_run_never_has_a_partial_date(
    landed: World, world: World, other_dbt: None, point: str, ends: str
) -> None:
    """Twenty timings; the landing fails by its proof, or after its files are in place."""
    is_rolled_back = (POINTS.index(point) + (ends == "at once")) % 2 == 0
    landing = FailingLanding(world)

    def it_is(event: str) -> None:
        if event == point and not landing.began.is_set():
            moves(landed, *([WITHOUT_A_DATE] if is_rolled_back else []))
            if not is_rolled_back:
                # The last file cannot be renamed to the name of a folder.
                published = world.warehouse / "landing" / "shared" / "published.parquet"
                published.unlink()
                published.mkdir()
            landing.start()
            if ends == "at once":
                landing.let_it_end()

    it_is("before it is asked for")
    status = "REFUSED"
    try:
        report = a_run(
            world, "mine", None, lambda event: it_is(f"{event.kind} {event.name}".strip())
        )
        status = report.status
    except landings.DatesNotLanded:
        pass
    it_is("after its end")
    landing.let_it_end()
    assert landing.report is not None and landing.report.status == "FAILED"
    expected = {"before it is asked for": "REFUSED", "after its end": "COMPLETED"}
    assert status == expected.get(point, "FAILED")
    assert all(day in (OLD, NEW) for day in loaded(world))
    if status != "FAILED" or is_rolled_back:
        assert loaded(world) == [OLD, OLD]
