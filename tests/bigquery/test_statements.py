"""Every statement of the story: Google's analyzer takes it, and it names only the tenant's own."""

import functools
import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlglot
from analysis import Verdict, analyze
from cloud import EXPORT, NEWCOMER, SCHEMA, TWICE, Step, Story
from emulator import Statement
from sqlglot import exp
from statements import every

from runner.control import spooled
from runner.dataset import data_sql
from runner.orchestration import catch_up_sql

CENTRAL = "local.tenants."
# What a tenant may read beside its own: a landing's rows, and which dates it has; else its export.
SOURCES = {
    NEWCOMER: TWICE,
    "gamma": (
        "local.shared.export_landing",
        "local.shared.x_meta_pipeline_runs",
        "local.shared.x_meta_catch_ups",
    ),
}


@dataclass(frozen=True)
class Sent:
    """A statement that a command of the story sent, and what the analyzer reports of it."""

    step: Step
    statement: Statement
    verdict: Verdict

    @property
    def node(self) -> str:
        """The dbt node that it is about; empty for the runner's own."""
        comment = re.match(r"\s*/\* (\{.*?\}) \*/", self.statement.sql)
        return str(json.loads(comment.group(1)).get("node", "")) if comment else ""

    @property
    def origin(self) -> str:
        return "dbt" if re.match(r"\s*/\* \{", self.statement.sql) else "runner"


@dataclass(frozen=True)
class Judged:
    """The analyzer's results for all statements: those of the scenario, then the others."""

    sent: list[Sent]
    not_sent: dict[str, Verdict]


@pytest.fixture(scope="module")
def judged(story: Story, analyzer_venv: Path) -> Judged:
    """In one go, for the analyzer has to follow the complete story to know the tables."""
    history = story.emulator.history()
    asked = control_statements()
    verdicts = analyze(
        analyzer_venv, [*history, *asked.values()], ingestion_tables={EXPORT: SCHEMA}
    )
    statements = [event for event in history if isinstance(event, Statement)]
    return Judged(
        [
            Sent(step, statement, verdict)
            for statement, verdict in zip(statements, verdicts, strict=False)
            for step in story.steps.values()
            if step.since <= statement.at <= step.until
        ],
        dict(zip(asked, verdicts[len(statements) :], strict=True)),
    )


@pytest.fixture(scope="module")
def sent(judged: Judged) -> list[Sent]:
    """All that the commands sent, in order; what the tests themselves asked is left out."""
    return judged.sent


def test_every_statement_is_one_that_bigquery_takes(sent: list[Sent]) -> None:
    assert [(v.error, v.sql) for v in (one.verdict for one in sent) if not v.ok] == []


TYPES = {
    "DATE": (
        "date",
        "today",
        "day",
        "month_start",
        "from_date",
        "to_date",
        "run_date",
        "end_date",
        "trial_end_date",
        "first_date",
        "last_date",
        "partitions_from",
        "newest_partition",
        "never_date",
        "wide_from",
        "events_since",
    ),
    "TIMESTAMP": (
        "created_at",
        "now",
        "since",
        "stale_since",
        "quiet_since",
        "lease_expires_at",
        "build_expires_at",
        "expires_at",
        "last_used_at",
        "sent_at",
        "next_attempt_at",
        "start_time",
        "end_time",
        "from_time",
        "loaded_from_time",
        "loaded_end_time",
        "before_time",
        "checked_at",
        "ended_at",
    ),
    "INT64": (
        "daily_limit",
        "monthly_limit",
        "concurrent_limit",
        "max_team_members",
        "limit",
        "max_providers",
        "max_pipelines_per_day",
        "max_concurrent_pipelines",
        "duration_ms",
        "row_count",
        "step_index",
        "moved_dates",
        "partition_lag_days",
    ),
    "BOOL": ("has_unallocated", "is_complete", "starts", "prunes_exports"),
}
TYPE_OF = {name: kind for kind, names in TYPES.items() for name in names}


def control_statements() -> dict[str, Statement]:
    """Every statement of the runner that is BigQuery's, formatted for the story's tenant."""
    texts = {name: text for name, text in every().items() if not name.startswith("_")}
    steps = {"STEP_ROW", "DROP_STEPS", "ADD_STEPS"}
    parts = {
        "RUN_COLUMNS",
        "COLUMNS_DUCKDB",
        "SHARED_EXPORT",
        "LAYERS",
    } | steps
    places = {"tenant": "alpha", "dataset": "alpha", "table": "`alpha`.x_meta_exports", "n": 0}
    found = {name: text.format(**places) for name, text in texts.items() if name not in parts}
    found["PROBE_EXPORT"] = data_sql.PROBE_EXPORT.format(table=EXPORT)
    for name in ("MOVED_SINCE_LANDED", "LANDED_TOTALS"):
        found[name] = texts[name].format(tenant="shared")
    keys = {"dataset": "tenants", "table": "tenant_api_keys", "n": 0}
    for name in ("REVOKE_KEY", "USED_KEY"):
        found[name] = texts[name].format(**keys)
    rewritten = spooled.texts("alpha", [("DROP_STEPS", 2), ("ADD_STEPS", 2)])
    found |= dict(zip(("dropped", "added"), rewritten, strict=True))

    def asked(name: str, sql: str) -> Statement:
        named = {key: re.sub(r"_\d+$", "", key) for key in re.findall(r"@(\w+)", sql)}
        types = {key: TYPE_OF.get(plain, "STRING") for key, plain in named.items()}
        return Statement(0, name, sql, types)

    return {name: asked(name, sql) for name, sql in found.items()}


def test_every_control_statement_is_one_that_bigquery_takes(judged: Judged) -> None:
    """Those, too, that the story does not send: suspend, remove, repair, an expired lease."""
    assert len(judged.not_sent) > 50
    refused = {name: one.error for name, one in judged.not_sent.items() if not one.ok}
    assert refused == {}


def test_no_statement_depends_on_the_projects_default_time_zone(judged: Judged) -> None:
    """With America/Los_Angeles a bound would move by hours, and model and test would agree."""
    sent = {one.statement.sql: one.verdict for one in judged.sent}
    every = {**sent, **judged.not_sent}
    assert {name: set(one.zoned) for name, one in every.items() if one.zoned} == {}


def test_statements_of_every_kind_that_we_send_were_met(sent: list[Sent]) -> None:
    kinds = Counter(one.verdict.kind for one in sent)
    print("\n| sent by | kind | sent | run by the emulator | taken by the analyzer |")
    for origin, kind in sorted({(one.origin, one.verdict.kind) for one in sent}):
        alike = [one for one in sent if (one.origin, one.verdict.kind) == (origin, kind)]
        ran = sum(one.statement.error is None for one in alike)
        print(f"| {origin} | {kind} | {len(alike)} | {ran} | {sum(o.verdict.ok for o in alike)} |")
    assert kinds["query"] > 50 and kinds["script"] > 10
    assert {"merge", "create_table_as_select", "create_view"} <= set(kinds)
    assert {one.verdict.exemption for one in sent} <= {None, "METADATA_VIEWS"}


def test_a_statement_names_its_tenants_dataset_the_central_one_and_its_export_only(
    sent: list[Sent],
) -> None:
    for one in sent:
        own = (f"local.{one.step.tenant}.", f"{one.step.tenant}.INFORMATION_SCHEMA.")
        metadata = ("tenants.INFORMATION_SCHEMA.", "region-us.INFORMATION_SCHEMA.JOBS_BY_USER")
        for table in one.verdict.written:
            assert table.startswith((*own, CENTRAL)), (table, one.statement.sql)
        for table in one.verdict.tables:
            exports = SOURCES.get(one.step.tenant, (EXPORT,))
            known = table.startswith((*own, CENTRAL, *metadata)) or table in exports
            assert known, (table, one.statement.sql)


def test_what_dbt_runs_for_a_bill_never_reads_the_central_dataset(sent: list[Sent]) -> None:
    """Models, tests and hooks of a run: no row about another tenant can reach a bill."""
    of_a_run = [one for one in sent if one.node and not one.node.startswith("tenant_")]
    assert len(of_a_run) > 50
    for one in of_a_run:
        assert not [t for t in one.verdict.tables if t.startswith(CENTRAL)], one.statement.sql


# -- Pruning

EXPORT_VIEW = "stg_gcp_billing__export"
BOUNDED = {"usage_start_time": {"GTE", "LT"}, "export_partition_time": {"GTE"}}
# By what a dated table is partitioned, where that is not called usage_date.
PARTITIONED_BY = {
    "billing_cost_daily": "ingestion_date",
    "export_landing": "usage_start_time",
    "focus_cost_and_usage": "x_UsageDate",
}


def conditions(where: exp.Expression) -> list[exp.Expression]:
    """What all holds for a row: the parts of a chain of ANDs."""
    where = where.unnest()
    if not isinstance(where, exp.And):
        return [where]
    return conditions(where.left) + conditions(where.right)


def is_constant(value: exp.Expression) -> bool:
    """A date, or a timestamp, that is written as a literal."""
    return isinstance(value, exp.Cast) and isinstance(value.this, exp.Literal)


def operands(comparison: exp.Expression) -> list[exp.Expression]:
    """What a column is compared with."""
    return [
        comparison.args[name] for name in ("expression", "low", "high") if name in comparison.args
    ]


# Which date, whose dataset and which run is nothing to the checks below.
DIFFERENT = re.compile(
    r"\b\d{4}-\d{2}-\d{2}\b|\b(?:alpha|beta|gamma|shared)(?=`?\.)"
    r"|\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"
)


def same_of_a_kind(found: re.Match[str]) -> str:
    return "2026-07-01" if found.group()[4:5] == "-" else "x"


def parsed(sql: str) -> exp.Expression:
    """The statement's tree, which is never changed, with one date, dataset and run in it."""
    return parsed_once(DIFFERENT.sub(same_of_a_kind, sql))


@functools.cache
def parsed_once(sql: str) -> exp.Expression:
    return sqlglot.parse_one(sql, read="bigquery")


def bounds(sql: str, table: str, columns: Iterable[str]) -> list[dict[str, set[str]]]:
    """For each read of a table, the comparisons of these columns with constants."""
    if table not in sql:
        return []
    found = []
    for read in parsed(sql).find_all(exp.Table):
        select = read.find_ancestor(exp.Select)
        if read.name != table or select is None or read.parent is not select.args.get("from_"):
            continue
        here: dict[str, set[str]] = {name: set() for name in columns}
        where = select.args.get("where")
        for one in where.find_all(exp.GTE, exp.LT, exp.Between) if where else ():
            if isinstance(one.this, exp.Column) and all(map(is_constant, operands(one))):
                here.get(one.this.name, set()).add(type(one).__name__)
        found.append(here)
    return found


def scripts(sent: list[Sent]) -> list[tuple[str, Sent]]:
    """Those that replace dates, each with the table that it is about."""
    found = [
        (re.search(r"delete from `\w+`\.`\w+`\.`(\w+)`", one.statement.sql), one) for one in sent
    ]
    return [(match.group(1), one) for match, one in found if match and one.origin == "dbt"]


def test_a_date_is_replaced_in_one_transaction_with_its_proof_before_its_publication(
    sent: list[Sent],
) -> None:
    replaced = scripts(sent)
    assert len({table for table, _ in replaced}) > 15
    for table, one in replaced:
        words = [sql.split(maxsplit=1)[0].lower() for sql in one.verdict.statements]
        # SET, IF and RAISE as the analyzer asks for them; they stand here for the count of
        # what was inserted, and then for the proof.
        found = ["insert", "assert", "select"]
        steps = ["begin", "delete", "insert", *found, *found, "insert", "commit"]
        assert words[-len(steps) :] == steps, (table, words)


def test_the_bounds_of_the_copy_and_of_its_proof_are_constants(sent: list[Sent]) -> None:
    """Else BigQuery reads every partition of the export: the classic bill shock."""
    reads = [
        [found for sql in one.verdict.statements for found in bounds(sql, EXPORT_VIEW, BOUNDED)]
        for table, one in scripts(sent)
        if table in ("billing_cost_daily", "export_landing")
    ]
    assert len(reads) >= 5, "a first run, reruns, another tenant's, a landing's"
    for read in reads:
        # Copy and proof; the newest export_time is read by the partition alone.
        assert read.count(BOUNDED) == 2, read
        assert {str(found["export_partition_time"]) for found in read} == {"{'GTE'}"}, read


def test_a_delete_is_of_complete_partitions_by_constants(sent: list[Sent]) -> None:
    """Such a DELETE reads no bytes. The ledger alone deletes rows: those of its own run."""
    for table, one in scripts(sent):
        [delete] = [sql for sql in one.verdict.statements if sql.startswith("delete")]
        held = conditions(parsed(delete).args["where"].this)
        if table == "restatement_ledger":
            assert held.pop().this.name == "pipeline_logging_id"
        column = PARTITIONED_BY.get(table, "usage_date")
        assert {condition.this.name for condition in held} == {column}, delete
        kinds = [type(condition).__name__ for condition in held]
        assert kinds in (["Between"], ["GTE", "LT"]), delete
        values = [value for condition in held for value in operands(condition)]
        assert len(values) == 2 and all(map(is_constant, values)), delete
        if kinds == ["GTE", "LT"]:
            assert all(value.this.name.endswith(" 00:00:00+00") for value in values), delete


def test_what_a_script_reads_of_a_dated_table_is_bounded_by_constants(sent: list[Sent]) -> None:
    replaced = scripts(sent)
    for name in {table for table, _ in replaced}:
        column = PARTITIONED_BY.get(name, "usage_date")
        for table, one in replaced:
            for sql in one.verdict.statements:
                reads = bounds(sql, name, [column])
                assert all(read[column] for read in reads), (table, name, sql)


EXTRACTION = (
    "with export_rows as (select * from t where usage_start_time >= timestamp '2024-11-01'"
    " and usage_start_time < timestamp '2024-11-02'"
    " and export_partition_time >= timestamp '2024-10-31') select * from export_rows"
)


def test_bounds_that_are_missing_or_no_constants_would_be_found() -> None:
    assert bounds(EXTRACTION, "t", BOUNDED) == [BOUNDED]
    for constant in ("timestamp '2024-11-01'", "timestamp '2024-11-02'", "timestamp '2024-10-31'"):
        for other in ("current_timestamp()", "(select max(x) from y)", "loaded_at"):
            assert bounds(EXTRACTION.replace(constant, other), "t", BOUNDED) != [BOUNDED]
    assert bounds("select * from t", "t", ["day"]) == [{"day": set()}]


def test_the_partitions_that_catch_up_reads_are_bound_by_parameters() -> None:
    statement = catch_up_sql.MOVED_SINCE_LOADED.format(tenant="alpha")
    exported, loaded, *_ = [
        {
            (comparison.this.name, type(comparison).__name__)
            for comparison in where.find_all(exp.GTE, exp.LT, exp.Between)
            if all(
                isinstance(comparison.args.get(bound), (exp.Parameter, type(None)))
                for bound in ("expression", "low", "high")
            )
        }
        for where in sqlglot.parse_one(statement, read="bigquery").find_all(exp.Where)
    ]
    assert loaded == {("ingestion_date", "Between")}
    assert exported == {
        ("export_partition_time", "GTE"),
        ("usage_start_time", "GTE"),
        ("usage_start_time", "LT"),
    }
