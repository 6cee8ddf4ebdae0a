"""One scenario on the emulator, run once for the session: what a month with two tenants is like.

Each command costs seconds there, so the scenario is run first and checked by many tests.
"""

import json
import shlex
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlglot
from billing_export import append_rows, ddl
from click.testing import CliRunner, Result
from connection import connect
from emulator import Emulator
from exports import charge, credit
from few_models import as_dbt_knows_it
from google.api_core.exceptions import NotFound
from google.cloud import bigquery
from support import ROOT, SHARED, environment_in, only
from world import worker_of_one_parse

from runner import settings
from runner.cli.app import cli
from runner.context import open_context
from runner.control import claim, runs
from runner.dates import DateRange
from runner.engine.job import Event, Job, Outcome
from runner.engine.process import Worker
from runner.settings import Settings

HERE = Path(__file__).parent
SCHEMA = ROOT / "dbt_project" / "schemas" / "gcp_billing_export_resource_v1.schema.json"
NISE = SHARED / "data" / "nise" / "nise_resource_v1.ndjson.gz"
EXPORT = "local.billing.gcp_billing_export_resource_v1_01ABCD"
NEWCOMER = "newcomer"
# One account in both, for a tenant that is refused for it.
TWICE = ("local.billing.twice", "local.billing.standard")
ACCOUNTS = {"alpha": "01ABCD-23EF45-678901", "beta": "01BBBB-BBBBBB-BBBBBB"}
FIRST, LAST = "2026-07-01", "2026-08-31"
AGAIN, LATE, EMPTIED = date(2026, 7, 2), date(2026, 7, 10), date(2026, 7, 11)
BETA, BROKEN = "2026-07-03", "2026-07-04"


@dataclass(frozen=True)
class Step:
    """A command of the story: for whom, when it was given (ms), how it ended."""

    tenant: str
    since: int
    until: int
    result: Result

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.result.stdout)
        return found


@dataclass
class Story:
    """The emulator after it all, each command by name, and the bill as it was in between."""

    emulator: Emulator
    client: bigquery.Client
    environ: dict[str, str]
    steps: dict[str, Step] = field(default_factory=dict)
    bills: dict[str, dict[date, tuple[Any, ...]]] = field(default_factory=dict)
    publications: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)
    silver: dict[str, list[str]] = field(default_factory=dict)
    rows_again: list[list[str]] = field(default_factory=list)
    active_id: str = ""
    tested: Outcome | None = None

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return [tuple(row.values()) for row in self.client.query_and_wait(sql)]

    def run(self, name: str, tenant: str, command: str) -> Step:
        """Give a command and keep how it ended, except uncaught exceptions."""
        since = _now()
        result = CliRunner().invoke(
            cli, shlex.split(command), env=self.environ, catch_exceptions=False
        )
        self.steps[name] = Step(tenant, since, _now(), result)
        return self.steps[name]

    def remember(self, name: str, tenant: str = "alpha") -> None:
        """The tenant's bill by date: rows, cost, credits, and when they were written.

        And all its publications, and of beta the charges of its silver table, row for row: alpha
        has 20,000 of them.
        """
        found = self.rows(
            "select ingestion_date, count(*), sum(cost), sum(credits_total), max(loaded_at)"
            f" from {tenant}.billing_cost_daily where ingestion_date > '2000-01-01'"
            " group by ingestion_date"
        )
        self.bills[name] = {row[0]: row[1:] for row in found}
        self.publications[name] = self.rows(
            "select target_table, usage_date, pipeline_logging_id, row_count, net"
            f" from {tenant}.x_meta_publications where usage_date > '2000-01-01'"
        )
        if tenant == "beta":
            silver = "select * from beta.gcp_silver_cost where usage_date > '2000-01-01'"
            self.silver[name] = sorted(map(repr, self.rows(silver)))

    def script(self, tenant: str, table: str, during: Step | None = None) -> str:
        """The last script that replaced dates of a tenant's table, in a step if one is named."""
        begins = f"delete from `local`.`{tenant}`.`{table}` where"
        sent = [one for one in self.emulator.statements() if begins in one.sql]
        if during:
            sent = [one for one in sent if during.since <= one.at <= during.until]
        return sent[-1].sql

    def rows_of(self, day: date) -> list[str]:
        """Every row of a date, complete but for what differs from run to run."""
        return sorted(
            repr(row)
            for row in self.rows(
                "select * except (pipeline_logging_id, loaded_at)"
                f" from alpha.billing_cost_daily where ingestion_date = '{day}'"
            )
        )


def _now() -> int:
    return time.time_ns() // 1_000_000


def quick_path(signs_in: str = "as_itself") -> str:
    """PYTHONPATH for commands of the layer: see short_stack.py, texts_once.py, made_once.py."""
    return ":".join(map(str, (HERE / signs_in, HERE, HERE.parent, ROOT)))


def live(emulator: Emulator, folder: Path) -> Story:
    """The story itself. Commands that are to fail are kept as those that are not."""
    client = connect(emulator)
    environ = {
        **environment_in(folder),
        "DBT_TARGET": "bigquery",
        "GCP_PROJECT": emulator.project,
        "BIGQUERY_EMULATOR_HOST": emulator.url,
        "PYTHONPATH": quick_path(),
    }
    story = Story(emulator, client, environ)
    _make_exports(client)
    # Runs of the bill alone, for a node costs a second there; gamma's run is the complete one.
    with one_dbt(worker_of_one_parse):
        _onboard(story)
        story.remember("add alpha")
        with only("bill_run"):
            story.run("dry run", "alpha", f"run --tenant alpha --date {AGAIN} --dry-run --json")
            story.run("run", "alpha", f"run --tenant alpha --from {FIRST} --to {LAST} --json")
            story.remember("run")
            story.rows_again.append(story.rows_of(AGAIN))
            _correct_the_export(client)
            # One run of some of its dates: unchanged, corrected and emptied ones.
            story.run("again", "alpha", f"run --tenant alpha --from {AGAIN} --to {EMPTIED} --json")
            story.remember("again")
            story.run("catch-up", "alpha", "catch-up --tenant alpha --json")
            story.run("caught up", "alpha", "catch-up --tenant alpha --json")
            story.rows_again.append(story.rows_of(AGAIN))
            story.run("doctor", "alpha", "doctor --tenant alpha --json")
            _refuse(story)
            _meet_an_active_run(story)
            _prove(story)
        _land(story)
        with only("bill_run"):
            _append_while_it_is_published(story)
    return story


def alpha_lines() -> bytes:
    """Rows of alpha's account: nise's where the shared folder is, else a few dozen of ours."""
    if NISE.exists():
        import gzip

        return gzip.decompress(NISE.read_bytes())
    days = [date(2026, 7, 1) + timedelta(days=n) for n in range(14)]
    rows = [
        charge(day.isoformat(), 0.1 * n + 0.000000001, credits=[credit(-0.01 * n)])
        for day in days
        for n in range(1, 5)
    ]
    return lines(rows, "alpha")


def lines(rows: list[dict[str, Any]], tenant: str) -> bytes:
    """Rows as the load job takes them, billed to the tenant's account."""
    made = [{**row, "billing_account_id": ACCOUNTS[tenant]} for row in rows]
    for row in made:
        del row["_PARTITIONTIME"]
    return "".join(json.dumps(row) + "\n" for row in made).encode()


def make_export_of_two(client: bigquery.Client) -> None:
    """An export with one charge of each account, on BETA."""
    client.create_dataset("billing")
    client.query_and_wait(ddl(EXPORT, json.loads(SCHEMA.read_text())))
    for tenant in ACCOUNTS:
        append_rows(client, EXPORT, SCHEMA, lines([charge(BETA, 1.5)], tenant))


def is_onboarded(client: bigquery.Client, tenant: str) -> bool:
    """Whether a test before has added the tenant."""
    try:
        found = client.query_and_wait(
            f"select 1 from tenants.tenant_profiles where tenant_id = '{tenant}'"
        )
    except NotFound:
        return False
    return found.total_rows == 1


def _make_exports(client: bigquery.Client) -> None:
    fields = json.loads(SCHEMA.read_text())
    client.create_dataset("billing")
    client.query_and_wait(ddl(EXPORT, fields))
    append_rows(client, EXPORT, SCHEMA, alpha_lines())
    good = [charge(BETA, 1.5), charge(BETA, 2.25, credits=[credit(-0.25)])]
    unknown = [charge(BROKEN, 6.0, cost_type="surprise") for _ in range(3)]
    append_rows(client, EXPORT, SCHEMA, lines(good + unknown, "beta"))
    client.query_and_wait(
        f"create table billing.flat as select * from `{EXPORT}` where false;"
        "create table billing.narrow (billing_account_id string, cost float64,"
        " usage_start_time timestamp) partition by _PARTITIONDATE"
    )
    retyped = [{**one, "type": "INT64"} if one["name"] == "cost" else one for one in fields]
    client.query_and_wait(ddl("local.billing.retyped", retyped))
    # One account in two exports, written today: what onboarding checks is the last week.
    for table in TWICE:
        client.query_and_wait(ddl(table, fields))
        row, today = lines([charge(BETA, 1.0)], "beta"), "timestamp_trunc(current_timestamp(), day)"
        append_rows(client, table, SCHEMA, row, today)


def _onboard(story: Story) -> None:
    to = "--admin-email admin@acme.example --plan scale --export"
    # One name for all that are refused: dbt parses for each tenant.
    for name in ("gone", "flat", "narrow", "retyped"):
        story.run(name, NEWCOMER, f"tenant add {NEWCOMER} {to} local.billing.{name}")
    # The dataset of the exports is not a tenant's; and jobs in Europe do not reach it.
    story.run("add billing", "billing", f"tenant add billing {to} {EXPORT} --all-accounts")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(story.environ, "BIGQUERY_LOCATION", "EU")
        story.run("elsewhere", "elsewhere", f"tenant add elsewhere {to} {EXPORT}")
    story.run("twice", NEWCOMER, f"tenant add {NEWCOMER} {to} {' --export '.join(TWICE)}")
    for tenant, account in ACCOUNTS.items():
        command = f"tenant add {tenant} {to} {EXPORT} --billing-account {account}"
        story.run(f"add {tenant}", tenant, command)


def _land(story: Story) -> None:
    """Gamma has alpha's account, and reads it from a landing of the same export."""
    to = "--admin-email admin@acme.example --plan scale --export"
    dates = f"--from {AGAIN} --to {EMPTIED} --json"
    account = f"--billing-account {ACCOUNTS['alpha']}"
    story.run("add shared", "shared", f"tenant add shared {to} {EXPORT} --landing")
    story.run("land", "shared", f"run --tenant shared {dates}")
    story.run("add gamma", "gamma", f"tenant add gamma {to} tenant:shared {account}")
    story.run("gamma", "gamma", f"run --tenant gamma {dates}")
    story.remember("gamma", "gamma")
    # What every night is like: the project is the one that was deployed.
    story.run("gamma again", "gamma", f"run --tenant gamma {dates}")
    story.run("gamma caught up", "gamma", "catch-up --tenant gamma --json")


def _prove(story: Story) -> None:
    """Beta's charges of BROKEN are not to be published, and later one of BETA is not."""
    asked = f"run --tenant beta --from {BETA}"
    story.run("beta", "beta", f"{asked} --to {BROKEN} --json")
    story.remember("beta", "beta")
    # As an older version of the project had it.
    for change in (
        "add column gone string",
        "drop column usage_amount",
        "add column usage_amount int64",
    ):
        story.client.query_and_wait(f"alter table beta.gcp_silver_cost {change}")
    story.run("reshaped", "beta", f"{asked} --to {BETA} --json")
    story.remember("reshaped", "beta")
    story.run("repair", "beta", "tenant repair beta")
    story.remember("repair", "beta")
    story.run("good", "beta", f"{asked} --to {BETA} --json")
    story.remember("good", "beta")
    surprise = lines([charge(BETA, 7.0, cost_type="surprise")], "beta")
    append_rows(story.client, EXPORT, SCHEMA, surprise)
    story.run("bad", "beta", f"{asked} --to {BETA} --json")
    story.remember("bad", "beta")


def _append_while_it_is_published(story: Story) -> None:
    """A charge of AGAIN that Google writes between INSERT and proof, then what finds it."""

    def append() -> None:
        exported = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
        late = lines([charge(AGAIN.isoformat(), 5.5, export_time=exported)], "alpha")
        append_rows(story.client, EXPORT, SCHEMA, late, "timestamp_trunc(current_timestamp(), day)")

    play(story.client, story.script("alpha", "billing_cost_daily"), append)
    # Silver after it, or catch-up would run the date for that.
    story.client.query_and_wait(story.script("alpha", "gcp_silver_cost"))
    story.remember("meanwhile")
    assert _OneDbt.process is not None
    test = ("test", "--select", "billing_cost_daily_expectations")
    story.tested = _OneDbt.process.run(Job("alpha", test, {"date": AGAIN.isoformat()}))
    story.run("late", "alpha", "catch-up --tenant alpha --json")
    story.remember("late")


def parts_of(script: str) -> list[str]:
    """A script's text between its semicolons."""
    tokens = sqlglot.tokenize(script, read="bigquery")
    ends = [one.start for one in tokens if one.token_type == sqlglot.TokenType.SEMICOLON]
    return [
        script[begin:end].strip()
        for begin, end in zip([0, *(end + 1 for end in ends)], [*ends, len(script)], strict=True)
    ]


def play(client: bigquery.Client, script: str, meanwhile: Callable[[], None]) -> None:
    """Run a publication's script once more, in two halves: something happens before the proof."""
    parts = parts_of(script)
    begin = parts.index("begin transaction")
    proof = next(n for n, part in enumerate(parts) if part.startswith("set failures"))
    # Each half is a block of its own, with the script's variables.
    declared = parts[:begin]
    opened = bigquery.QueryJobConfig(create_session=True)
    first = ";\n".join([*declared, *parts[begin:proof], "end"])
    job = client.query(first, job_config=opened)
    job.result()
    assert job.session_info is not None
    meanwhile()
    session = bigquery.ConnectionProperty("session_id", str(job.session_info.session_id))
    client.query_and_wait(
        ";\n".join([*declared, *parts[proof:]]),
        job_config=bigquery.QueryJobConfig(connection_properties=[session]),
    )


def _correct_the_export(client: bigquery.Client) -> None:
    """Two rows of LATE come three weeks after, EMPTIED has none any more, a column is new.

    And silver lacks a column, as one that an older version of the project made.
    """
    late = [charge(LATE.isoformat(), 0.000000007), charge(LATE.isoformat(), 11.5)]
    partition = f"timestamp('{LATE + timedelta(days=21)}')"
    append_rows(client, EXPORT, SCHEMA, lines(late, "alpha"), partition)
    client.query_and_wait(f"delete from `{EXPORT}` where date(usage_start_time) = '{EMPTIED}'")
    client.query_and_wait(f"alter table `{EXPORT}` add column carbon_grams float64")
    client.query_and_wait("alter table alpha.gcp_silver_cost drop column zone")


def _refuse(story: Story) -> None:
    story.run("limit", "alpha", "tenant update alpha --daily-limit 1")
    story.run("refused", "alpha", f"run --tenant alpha --date {AGAIN} --json")
    story.run("no limit", "alpha", "tenant update alpha --daily-limit 100")


def _meet_an_active_run(story: Story) -> None:
    """Another runner, this process, has claimed the date."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in story.environ.items():
            patch.setenv(name, value)
        context = open_context(settings.load(str(ROOT), None))
    since = _now()
    active = claim.take(
        context.store,
        claim.Request(
            tenant_id="alpha",
            pipeline_id="alpha-gcp-cost-billing",
            template="gcp/cost/cost_billing",
            dates=DateRange(AGAIN, AGAIN),
            trigger=claim.Trigger("manual", "another"),
            timeout_minutes=30,
        ),
    )
    story.active_id = active.id
    step = story.run("active", "alpha", f"run --tenant alpha --date {AGAIN} --json")
    runs.cancel(context.store, "alpha", active.id, "another")
    story.steps["active"] = Step("alpha", since, _now(), step.result)


class _OneDbt:
    """Stands where a Worker would, and hands each job to the one dbt process of the story."""

    process: Worker | None = None
    turn = threading.Lock()
    is_alive = True
    start: Callable[[Settings, Path], Worker] = Worker

    def __init__(self, settings: Settings, log_path: Path) -> None:
        self._settings = settings
        if _OneDbt.process is None:
            _OneDbt.process = _OneDbt.start(settings, log_path)

    def __enter__(self) -> "_OneDbt":
        return self

    def __exit__(self, *error: object) -> None: ...
    def warm_up(self) -> None: ...
    def stop(self) -> None: ...

    def run(
        self,
        job: Job,
        on_event: Callable[[Event], None] = lambda event: None,
        timeout: float = 900,
        **ticks: Any,
    ) -> Outcome:
        assert _OneDbt.process is not None
        # Where an onboarding that is refused removes nothing, and by account: dbt parses again when
        # it asks as another.
        parsed = self._settings.dbt_target_dir / "kept" / job.account
        environ = {**self._settings.environ, "RUNNER_TARGET_DIR": str(parsed)}
        # All tenants at once are threads: they take turns at the one process.
        with _OneDbt.turn:
            _OneDbt.process._settings = replace(self._settings, environ=environ)
            asked = as_dbt_knows_it(job)
            return _OneDbt.process.run(asked, on_event, min(timeout, 900), **ticks)


@contextmanager
def one_dbt(start: Callable[[Settings, Path], Worker] = Worker) -> Iterator[None]:
    """All commands of this process have one dbt process, warm from the tenant before."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_OneDbt, "start", staticmethod(start))
        patch.setattr("runner.engine.pool.Worker", _OneDbt)
        patch.setattr("runner.onboarding.builder.Worker", _OneDbt)
        try:
            yield
        finally:
            if _OneDbt.process is not None:
                _OneDbt.process.stop()
                _OneDbt.process = None
