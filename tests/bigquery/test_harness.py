"""The harness itself: what the emulator and the analyzer can be trusted with."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import socket
import urllib.parse
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from analysis import Verdict, analyze
from billing_export import make_export
from connection import Transaction, connect
from emulator import Emulator, EmulatorFailed, Statement, running_emulator
from google.api_core.exceptions import BadRequest, Conflict, NotFound
from google.cloud import bigquery

Rows = Callable[[str], list[tuple[object, ...]]]

NOW = dt.datetime(2026, 7, 1, 2, 3, 4, 567, tzinfo=dt.UTC)
CLAIM_PARAMETERS = [
    bigquery.ScalarQueryParameter("id", "STRING", "run-1"),
    bigquery.ScalarQueryParameter("now", "TIMESTAMP", NOW),
    bigquery.ScalarQueryParameter("day", "DATE", dt.date(2026, 7, 1)),
    bigquery.ScalarQueryParameter("limit", "INT64", 1),
    bigquery.ArrayQueryParameter("active", "STRING", ["PENDING", "RUNNING"]),
]


def parameters() -> bigquery.QueryJobConfig:
    return bigquery.QueryJobConfig(query_parameters=CLAIM_PARAMETERS)


# -- the emulator runs --------------------------------------------------------------------------


def test_the_emulator_stops_and_keeps_its_data(emulator_venv: Path, tmp_path: Path) -> None:
    with running_emulator(emulator_venv, tmp_path) as first:
        connect(first).create_dataset("kept")
        connect(first).query_and_wait(
            "create table kept.t options (description = 'x') as select 1 as a"
        )
    host = urllib.parse.urlsplit(first.url)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((str(host.hostname), host.port or 0), timeout=1)
    with running_emulator(emulator_venv, tmp_path) as second:
        assert [row.a for row in connect(second).query_and_wait("select a from kept.t")] == [1]
        assert connect(second).get_table("kept.t").description == "x"


def test_an_emulator_that_does_not_start_shows_its_log(emulator_venv: Path, tmp_path: Path) -> None:
    (tmp_path / "emulator.duckdb").write_text("not a database")
    with (
        pytest.raises(EmulatorFailed, match="not a valid DuckDB database"),
        running_emulator(emulator_venv, tmp_path),
    ):
        pass


def test_a_table_is_found_by_its_name_as_by_going_through_all(
    client: bigquery.Client, dataset: str
) -> None:
    """What remember_the_catalog of the launcher answers in the emulator's place."""
    client.query_and_wait(
        f"create table {dataset}.t (a string not null, b int64);"
        f"insert into {dataset}.t values ('x', 1), ('y', 2);"
        f"create view {dataset}.v as select a from {dataset}.t"
    )
    found = client.get_table(f"{dataset}.t")
    assert (found.table_type, found.num_rows) == ("TABLE", 2)
    assert [(f.name, f.mode) for f in found.schema] == [("a", "REQUIRED"), ("b", "NULLABLE")]
    view = client.get_table(f"{dataset}.v")
    assert view.table_type == "VIEW" and [f.name for f in view.schema] == ["a"]
    assert sorted(item.table_id for item in client.list_tables(dataset)) == ["t", "v"]
    for missing in (f"{dataset}.w", "nowhere.t"):
        with pytest.raises(NotFound):
            client.get_table(missing)
        with pytest.raises(NotFound):
            client.query_and_wait(f"select 1 from {missing}")
    client.query_and_wait(f"alter table {dataset}.t add column c date")
    assert [f.name for f in client.get_table(f"{dataset}.t").schema] == ["a", "b", "c"]
    client.query_and_wait(f"create or replace table {dataset}.t (d int64) as (select 1 as d)")
    found = client.get_table(f"{dataset}.t")
    assert (found.num_rows, [f.name for f in found.schema]) == (1, ["d"])
    client.query_and_wait(f"drop view {dataset}.v; create table {dataset}.v as select 1 as e")
    assert client.get_table(f"{dataset}.v").table_type == "TABLE"
    client.query_and_wait(f"drop table {dataset}.t")
    with pytest.raises(NotFound):
        client.get_table(f"{dataset}.t")


def test_statements_that_are_alike_have_their_own_values_and_tables(
    client: bigquery.Client, dataset: str, rows: Rows
) -> None:
    """What emulator_translations.py keeps of the first is not the answer to the second."""
    asked = "select avg(a), '{0}' from {0}.t where day = date '{1}'"
    other = f"{dataset}_2"
    client.create_dataset(other)
    try:
        for name, kind in ((dataset, "numeric"), (other, "float64")):
            client.query_and_wait(
                f"create table {name}.t (day date, a {kind});"
                f"insert into {name}.t (day, a) values ('2026-07-01', 1), ('2026-07-02', 2)"
            )
        for name, number in ((dataset, Decimal), (other, float)):
            for n, day in enumerate(("2026-07-01", "2026-07-02"), 1):
                found = rows(asked.format(name, day))
                assert found == [(number(n), name)] and type(found[0][0]) is number
        with pytest.raises(BadRequest):
            rows(asked.format(other, "2026-02-30"))
        client.query_and_wait(f"alter table {dataset}.t drop column a")
        with pytest.raises(BadRequest, match="Unrecognized name: a"):
            rows(asked.format(dataset, "2026-07-01"))
        assert rows(asked.format(other, "2026-07-01")) == [(1.0, other)]
        for name in (other, dataset):
            client.query_and_wait(f"delete from {name}.t where day = '2026-07-01'")
        assert [rows(f"select count(*) from {name}.t") for name in (dataset, other)] == [[(1,)]] * 2
    finally:
        client.delete_dataset(other, delete_contents=True)


def test_a_statement_about_jobs_sees_those_before_it(
    client: bigquery.Client, dataset: str, rows: Rows
) -> None:
    sql = f"create table {dataset}.t as select 1 as a"
    client.query(sql, job_id="asked_about", job_retry=None).result()
    assert rows(
        "select statement_type, state from `region-us`.INFORMATION_SCHEMA.JOBS_BY_USER"
        " where job_id = 'asked_about'"
    ) == [("CREATE_TABLE_AS_SELECT", "DONE")]


# -- what Google's client does against it -------------------------------------------------------


@pytest.fixture
def runs(client: bigquery.Client, dataset: str) -> str:
    client.query_and_wait(
        f"create table {dataset}.lock (touched_at timestamp);"
        f"insert into {dataset}.lock (touched_at) values (null);"
        f"create table {dataset}.runs (id string not null, status string, day date,"
        " started_at timestamp, amount numeric(38, 9), primary key (id) not enforced)"
        " partition by day cluster by id"
    )
    return dataset


CLAIM = """
begin transaction;
update {0}.lock set touched_at = @now where true;
insert into {0}.runs (id, status, day, started_at)
select @id, 'PENDING', @day, @now from (select 1 as one)
where not exists (
    select 1 from {0}.runs where day = @day and status in unnest(@active)
) and (select count(*) from {0}.runs) < @limit;
commit transaction;
"""


def test_a_transaction_takes_bound_parameters(
    client: bigquery.Client, runs: str, rows: Rows
) -> None:
    for _ in range(2):
        client.query(CLAIM.format(runs), job_config=parameters()).result()
    assert rows(f"select * from {runs}.runs") == [
        ("run-1", "PENDING", dt.date(2026, 7, 1), NOW, None)
    ]


def test_a_failing_transaction_changes_nothing(
    client: bigquery.Client, runs: str, rows: Rows
) -> None:
    failing = CLAIM.format(runs).replace("commit", "select error('stop'); commit")
    with pytest.raises(BadRequest, match="stop"):
        client.query(failing, job_config=parameters()).result()
    assert rows(f"select id from {runs}.runs") == []
    assert rows(f"select touched_at from {runs}.lock") == [(None,)]


def test_dml_reports_its_rows(client: bigquery.Client, runs: str) -> None:
    job = client.query(f"insert into {runs}.runs (id) values ('a'), ('b')")
    job.result()
    assert job.num_dml_affected_rows == 2


def test_a_job_id_is_taken_once(client: bigquery.Client) -> None:
    client.query("select 1", job_id="taken", job_retry=None).result()
    with pytest.raises(Conflict):
        client.query("select 1", job_id="taken", job_retry=None)


def test_a_dry_run_gives_the_schema_and_leaves_no_job(
    client: bigquery.Client, emulator: Emulator, runs: str
) -> None:
    before = len(emulator.jobs())
    dry = bigquery.QueryJobConfig(dry_run=True)
    job = client.query(f"select amount from {runs}.runs", job_config=dry)
    assert [field.name for field in job.schema or []] == ["amount"]
    with pytest.raises(BadRequest, match="nope"):
        client.query(f"select nope from {runs}.runs", job_config=dry)
    assert len(emulator.jobs()) == before


def test_streamed_rows_are_deduplicated_by_id(
    client: bigquery.Client, runs: str, rows: Rows
) -> None:
    row = {"id": "s", "amount": "3.000000001", "day": "2026-07-01"}
    for _ in range(2):
        assert client.insert_rows_json(f"local.{runs}.runs", [row], row_ids=["one"]) == []
    assert rows(f"select id, amount from {runs}.runs") == [("s", Decimal("3.000000001"))]
    assert client.insert_rows_json(f"local.{runs}.runs", [{"nope": 1}]) != []


def test_every_statement_that_was_sent_is_reported(
    client: bigquery.Client, emulator: Emulator, runs: str
) -> None:
    client.query(CLAIM.format(runs), job_config=parameters()).result()
    sent = emulator.statements()[-1]
    assert sent.sql == CLAIM.format(runs)
    assert sent.parameters == {
        "id": "STRING",
        "now": "TIMESTAMP",
        "day": "DATE",
        "limit": "INT64",
        "active": "ARRAY<STRING>",
    }


EXPORT_SCHEMA = [
    {"name": "cost", "type": "FLOAT"},
    {"name": "usage_start_time", "type": "TIMESTAMP"},
    {
        "name": "labels",
        "type": "RECORD",
        "mode": "REPEATED",
        "fields": [{"name": "key", "type": "STRING"}, {"name": "value", "type": "STRING"}],
    },
]


def test_an_export_has_its_partition_time(
    client: bigquery.Client, dataset: str, rows: Rows, tmp_path: Path
) -> None:
    schema, data = tmp_path / "schema.json", tmp_path / "rows.ndjson.gz"
    schema.write_text(json.dumps(EXPORT_SCHEMA))
    lines = [
        {"cost": 1.5, "usage_start_time": "2026-07-01 05:00:00 UTC", "labels": []},
        {"cost": 2.5, "usage_start_time": "2026-07-02 05:00:00 UTC", "labels": [{"key": "a"}]},
    ]
    with gzip.open(data, "wt") as sink:
        sink.writelines(json.dumps(line) + "\n" for line in lines)
    table = f"local.{dataset}.export"
    assert make_export(client, table, schema, data) == 2
    assert rows(f"select cost from {table} where _PARTITIONTIME = timestamp('2026-07-02')") == [
        (2.5,)
    ]
    # As in BigQuery, a star does not show it, and a view must give it a name.
    client.query_and_wait(
        f"create view {dataset}.v as select *, _PARTITIONTIME as at_partition from {table}"
    )
    names = [field.name for field in client.get_table(f"local.{dataset}.v").schema]
    assert names == ["cost", "usage_start_time", "labels", "at_partition"]


# -- the bridges: each test fails once the emulator does without ---------------------------------

ONE_VARIABLE = """
declare days array<date>;
set (days) = (select as struct array_agg(distinct day) from unnest([date '2026-07-01']) as day);
select array_length(days) as n;
"""
FILTERED_MERGE = """
merge into {0} as target using (select date '2026-07-01' as day, 2 as a) as source on false
when not matched by source and target.day in (date '2026-07-01') then delete
when not matched then insert (day, a) values (day, a)
"""


@pytest.fixture(scope="module")
def bare(
    emulator_venv: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[bigquery.Client]:
    """A client of an emulator without any bridge."""
    without = ("ctas_destination", "constant_partition_filter", "cancel_conflicts")
    with running_emulator(emulator_venv, tmp_path_factory.mktemp("bare"), without) as emulator:
        connect(emulator).create_dataset("d")
        yield connect(emulator)


def _filtered_table(client: bigquery.Client, name: str) -> None:
    client.query_and_wait(
        f"create table {name} (day date, a int64) partition by day"
        " options (require_partition_filter = true);"
        f"insert into {name} (day, a) values (date '2026-07-01', 1), (date '2026-07-02', 1)"
    )


def test_a_created_table_is_the_destination_of_its_job(
    client: bigquery.Client, dataset: str
) -> None:
    job = client.query(f"create table {dataset}.t as select 1 as a")
    assert list(job.result()) == []
    assert job.destination == bigquery.TableReference.from_string(f"local.{dataset}.t")


def test_the_bridge_ctas_destination_is_needed(bare: bigquery.Client) -> None:
    job = bare.query("create table d.t as select 1 as a")
    job.result()
    assert job.destination is None


BOUND = {
    "a literal": "day = date '2026-07-01'",
    "a parameter": "day >= @day",
    "an expression of constants": "day between date_sub(@day, interval 2 day) and @day and a = 1",
    "a list": "(day in ('2026-07-01', '2026-07-02'))",
    "as a date": "date(day) = '2026-07-01'",
    "the other way round": "'2026-07-01' <= day",
}
UNBOUND = {
    "nothing": "true",
    "a subquery": "day = (select max(day) from unnest([date '2026-07-01']) as day)",
    "a list from a subquery": "day in (select day from unnest([date '2026-07-01']) as day)",
    "another column": "day = date_add(day, interval a day)",
    "one of two": "day = '2026-07-01' or a = 1",
    "not null": "day is not null",
}
READS = {
    "query": "select a from {} where {}",
    "delete": "delete from {} where {}",
    "update": "update {} set a = 2 where {}",
    "cte": "with rows_of_days as (select a from {} where {}) select * from rows_of_days",
}


@pytest.fixture(scope="module")
def days(client: bigquery.Client) -> str:
    """A table that is read by its partitions only."""
    client.create_dataset("filtered")
    _filtered_table(client, "filtered.days")
    return "filtered.days"


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("filter_", BOUND)
def test_partitions_are_named_by_constants(
    client: bigquery.Client, days: str, read: str, filter_: str
) -> None:
    client.query(READS[read].format(days, BOUND[filter_]), job_config=parameters()).result()


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("filter_", UNBOUND)
def test_a_filter_that_leaves_no_partition_out_is_refused(
    client: bigquery.Client, days: str, read: str, filter_: str
) -> None:
    with pytest.raises(BadRequest, match="without a filter over column"):
        client.query(READS[read].format(days, UNBOUND[filter_]), job_config=parameters()).result()


def test_an_insert_into_a_filtered_table_needs_no_filter(
    client: bigquery.Client, days: str, rows: Rows
) -> None:
    sql = "insert into {0} (day, a) select day, 7 from {0} where day = '2026-07-01'"
    client.query_and_wait("insert into filtered.days (day, a) values ('2026-07-09', 1)")
    client.query_and_wait(sql.format(days))
    with pytest.raises(BadRequest, match="without a filter over column"):
        client.query_and_wait(sql.format(days).replace("where day = '2026-07-01'", ""))
    assert rows(f"select count(*) from {days} where day = '2026-07-09'") == [(1,)]


def test_the_bridge_constant_partition_filter_is_needed(bare: bigquery.Client) -> None:
    _filtered_table(bare, "d.f")
    for filter_ in ("a subquery", "one of two"):
        bare.query_and_wait(READS["query"].format("d.f", UNBOUND[filter_]))
    bare.query_and_wait("delete from d.f where true")


CANCELLED = "Transaction is aborted due to concurrent update against table"
DELETE = "delete from {} where a = {}"
# Each with another row, so that only the table is the same.
CHANGES = {
    "update": "update {} set b = b + 1 where a = {}",
    "delete": DELETE,
    "merge": "merge {} as t using (select {} as a) as s on t.a = s.a"
    " when matched then update set b = 9",
    "truncate": "truncate table {} /* {} */",
}


def _table(client: bigquery.Client, name: str) -> str:
    """A table of three rows."""
    client.query_and_wait(
        f"create table {name} (a int64, b int64);"
        f"insert into {name} (a, b) values (1, 0), (2, 0), (3, 0)"
    )
    return name


@pytest.mark.parametrize("later", CHANGES)
# The emulator runs no MERGE within a transaction.
@pytest.mark.parametrize("earlier", [name for name in CHANGES if name != "merge"])
def test_of_two_transactions_that_change_one_table_the_later_is_cancelled(
    client: bigquery.Client, dataset: str, rows: Rows, earlier: str, later: str
) -> None:
    """Though they change other rows. What the earlier does is committed, of the later nothing."""
    table = _table(client, f"{dataset}.t")
    first, second = Transaction(client), Transaction(client)
    first.run(CHANGES[earlier].format(table, 1))
    second.run(f"insert into {table} (a, b) values (7, 7)")
    with pytest.raises(BadRequest, match=f"{CANCELLED} local.{table}"):
        second.run(CHANGES[later].format(table, 2))
    first.commit()
    with pytest.raises(BadRequest, match=CANCELLED):
        second.commit()
    assert (7, 7) not in rows(f"select a, b from {table}")


def test_a_transaction_that_began_before_another_committed_overlaps_it(
    client: bigquery.Client, dataset: str, rows: Rows
) -> None:
    table = _table(client, f"{dataset}.t")
    first, second = Transaction(client), Transaction(client)
    first.run(DELETE.format(table, 1))
    first.commit()
    with pytest.raises(BadRequest, match=CANCELLED):
        second.run(DELETE.format(table, 2))
    after = Transaction(client)
    after.run(DELETE.format(table, 3))
    after.commit()
    assert rows(f"select a from {table}") == [(2,)]


def test_inserts_never_conflict(client: bigquery.Client, dataset: str, rows: Rows) -> None:
    """Neither with each other nor with who changes the table."""
    table = _table(client, f"{dataset}.t")
    changes, *inserts = (Transaction(client) for _ in range(3))
    changes.run(DELETE.format(table, 1))
    for n, one in enumerate(inserts):
        one.run(f"insert into {table} (a, b) values ({10 + n}, 0)")
    inserts[0].commit()
    changes.run(f"insert into {table} (a, b) values (20, 0)")
    changes.commit()
    inserts[1].commit()
    assert rows(f"select a from {table} order by a") == [(2,), (3,), (10,), (11,), (20,)]


def test_a_transaction_that_is_rolled_back_blocks_no_other(
    client: bigquery.Client, dataset: str, rows: Rows
) -> None:
    """By itself, by the end of its session, or by the error that ended its script."""
    table = _table(client, f"{dataset}.t")
    rolled_back, aborted, last = (Transaction(client) for _ in range(3))
    rolled_back.run(DELETE.format(table, 1))
    rolled_back.run("rollback transaction")
    aborted.run(DELETE.format(table, 1))
    aborted.run("call bq.abort_session()")
    with pytest.raises(BadRequest, match="stop"):
        client.query_and_wait(
            f"begin transaction; {DELETE.format(table, 1)}; select error('stop');"
            " commit transaction"
        )
    last.run(DELETE.format(table, 2))
    last.commit()
    assert rows(f"select a from {table} order by a") == [(1,), (3,)]


def test_a_change_outside_of_a_transaction_waits_for_the_table(
    client: bigquery.Client, dataset: str, rows: Rows
) -> None:
    table = _table(client, f"{dataset}.t")
    first = Transaction(client)
    first.run(f"update {table} set b = 5 where a = 1")
    job = client.query(f"update {table} set b = b + 1 where a = 1", job_retry=None)
    assert not job.done()
    first.commit()
    job.result()
    assert rows(f"select b from {table} where a = 1") == [(6,)]


def test_scripts_that_change_one_table_at_once_lose_and_succeed_when_repeated(
    client: bigquery.Client, dataset: str, rows: Rows
) -> None:
    """As a run publishes a date: of each repetition at least one script commits."""
    table = _table(client, f"{dataset}.t")
    script = (
        f"begin transaction; delete from {table} where a = {{n}};"
        f" insert into {table} (a, b) select {{n}}, count(*) from {table};"
        " commit transaction;"
    )
    left, lost = set(range(5)), 0
    while left:
        jobs = {n: client.query(script.format(n=n), job_retry=None) for n in left}
        before = len(left)
        for n, job in jobs.items():
            try:
                job.result()
                left.discard(n)
            except BadRequest as error:
                assert CANCELLED in str(error), error
                lost += 1
        assert len(left) < before
    assert rows(f"select a, count(*) from {table} group by a order by a") == [
        (n, 1) for n in range(5)
    ]


def test_the_bridge_cancel_conflicts_is_needed(bare: bigquery.Client) -> None:
    """Without it both commit, as no row is changed by both."""
    table = _table(bare, "d.race")
    first, second = Transaction(bare), Transaction(bare)
    first.run(DELETE.format(table, 1))
    second.run(f"update {table} set b = 1 where a = 9")
    first.commit()
    second.commit()


# -- the analyzer --------------------------------------------------------------------------------

TYPES = {
    "id": "STRING",
    "now": "TIMESTAMP",
    "day": "DATE",
    "limit": "INT64",
    "active": "ARRAY<STRING>",
}
TABLES = [
    "create table d.runs (id string not null, status string, day date, started_at timestamp,"
    " amount numeric(38, 9), tags array<string>, primary key (id) not enforced)"
    " partition by day cluster by id options (description = 'runs', labels = [('a', 'b')])",
    "create table d.lock (touched_at timestamp)",
]
GOOD = [
    "select id from `local.d.runs` where id = @id and status in unnest(@active)",
    "select cost, (select max(l.value) from unnest(labels) as l) as label, _PARTITIONTIME as p"
    " from `local`.`d`.`export` where _PARTITIONTIME >= timestamp('2026-07-01')",
    "create or replace view d.v as select cost, labels, _PARTITIONTIME as p from d.export",
    "create or replace table d.daily partition by day cluster by name"
    " options (require_partition_filter = true, partition_expiration_days = 3) as"
    " select date(p) as day, 'x' as name, cast(cost as numeric) as cost, labels from d.v",
    FILTERED_MERGE.replace("insert (day, a) values (day, a)", "insert (day) values (day)").format(
        "d.daily"
    ),
    "alter table d.lock alter column touched_at set data type timestamp",
    "alter table d.daily add column extra json,"
    " add column if not exists more array<struct<a int64>>",
    "select extra, more[safe_offset(0)].a from d.daily where day = @day",
    CLAIM.format("d"),
    ONE_VARIABLE,
    "declare n int64 default 1; set n = @@row_count; if n = 1 then truncate table d.lock;"
    " else select n; end if; assert n = 1 as 'one row'",
    "begin begin transaction; delete from d.lock where true; commit transaction;"
    " exception when error then rollback transaction; select @@error.message; end",
    "begin declare found string; begin transaction; delete from d.runs where day = '2026-07-01';"
    " set found = (select string_agg(id, ', ' order by id) from d.runs);"
    " if found is not null then raise using message = concat('not published ', found); end if;"
    " commit transaction; end",
    "create temp table t as select 1 as a; select a from t",
    "create table d.ingested (a int64) partition by _PARTITIONDATE;"
    "insert into d.ingested (_PARTITIONTIME, a) values (timestamp '2026-07-01', 1)",
    "insert into d.runs (id, started_at) values (@id, @now)",
    "select cast(1 as integer), date_diff(@day, date '2026-07-01', month), safe_divide(1, 2)",
    "select id from d.runs qualify row_number() over (partition by id order by day) = 1",
    "drop table if exists d.nothing; drop view d.v",
]
BAD = {
    "select list_sum([1, 2])": "Function not found",
    "select strftime(current_date(), '%Y')": "Function not found",
    "select split_part('a', 'b', 1)": "Function not found",
    "select array_sum([1])": "Function not found",
    "select nope from d.runs": "Unrecognized name",
    "select * from d.nope": "Table not found",
    "select 1 as at": "Unexpected keyword AT",
    "select 1 as a, a + 1 as b": "Unrecognized name",
    "select id from d.runs where id = 1": "No matching signature",
    "select id from d.runs where day > timestamp '2026-07-01'": "No matching signature",
    "select id, count(*) from d.runs": "neither grouped nor aggregated",
    "select 1::int64": "Syntax error",
    "select cast('x' as varchar)": "Type not found",
    "select cast(1 as numeric(38, 9))": "Parameterized types",
    "select cast([1] as array<string>)": "incompatible element types",
    "select date_trunc('month', current_date())": "date part",
    "select sum(amount) filter (where true) from d.runs": "Syntax error",
    "select labels.key from d.export": "Cannot access field",
    "select @missing": "Query parameter",
    "insert into d.runs (id) values (1)": "cannot be inserted",
    "insert into d.lock values (current_timestamp(), 1)": "wrong column count",
    "update d.lock set touched_at = null": "must have a WHERE",
    "merge d.runs as t using (select 'a' as id) as s on t.id = s.id"
    " when matched then update set amount = 'x'": "cannot be assigned",
    "merge d.runs as t using (select 1 as n) as s on false"
    " when not matched then insert (id) values (n)": "cannot be inserted",
    "create table d.p (a string) partition by a": "PARTITION BY takes",
    "create table d.p (a date) partition by a options (nope = 1)": "Unknown option",
    "create table d.p (a int64, primary key (a))": "NOT ENFORCED",
    "create table d.p as select _PARTITIONTIME from d.export": "prefix is reserved",
    "create table d.runs (a int64)": "Already Exists",
    "declare n int64; set n = 'x'": "cannot be inserted",
    "set n = 1": "Undeclared variable",
    "begin declare n int64; set n = (select id from d.runs limit 1); end": "cannot be inserted",
    "begin transaction; create table d.q (a int64); commit transaction": "no transaction takes DDL",
    "begin begin transaction; declare n int64; end": "declarations are allowed only at the start",
    "raise using message = nope": "Unrecognized name",
    "execute immediate 'select 1'": "not followed",
}


@pytest.fixture
def judge(analyzer_venv: Path, tmp_path: Path) -> Callable[[list[str]], list[Verdict]]:
    """Verdicts on statements that follow those of TABLES, beside an export."""
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps(EXPORT_SCHEMA))

    def verdicts(statements: list[str]) -> list[Verdict]:
        sent = [Statement(n, str(n), sql, TYPES) for n, sql in enumerate(TABLES + statements)]
        found = analyze(analyzer_venv, sent, ingestion_tables={"local.d.export": schema})
        return found[len(TABLES) :]

    return verdicts


def test_what_bigquery_takes_is_accepted(judge: Callable[[list[str]], list[Verdict]]) -> None:
    assert [(v.sql, v.error) for v in judge(GOOD) if not v.ok or v.exemption] == []


def test_what_bigquery_refuses_is_refused(judge: Callable[[list[str]], list[Verdict]]) -> None:
    verdicts = judge(list(BAD))
    assert [v.sql for v in verdicts if v.ok] == []
    assert [(v.sql, v.error) for v in verdicts if BAD[v.sql] not in (v.error or "")] == []


ZONED = [
    "select id from d.runs where started_at >= timestamp '2026-07-01 00:00:00'",
    "select date(started_at) from d.runs",
    "select cast(started_at as date) from d.runs",
    "select cast(started_at as string) from d.runs",
    "select cast('2026-07-01' as timestamp)",
    "select timestamp(day) from d.runs",
    "select extract(date from started_at) from d.runs",
    "select timestamp_trunc(started_at, day) from d.runs",
    "select format('%t', started_at) from d.runs",
    "select format_timestamp('%F', started_at) from d.runs",
    "select id from d.runs where started_at >= '2026-07-01'",
    "select id from d.runs where started_at between '2026-07-01' and '2026-07-02 10:00:00'",
    "insert into d.runs (id, started_at) values ('a', '2026-07-01 00:00:00')",
    'select timestamp "2026-07-01"',
    "select safe_cast('2026-07-01' as timestamp)",
    "select current_date()",
    "select current_datetime()",
]
ZONELESS = [
    "select id from d.runs where started_at >= timestamp '2026-07-01 00:00:00+00'",
    "select date(started_at, 'UTC'), cast(null as timestamp), cast(day as string) from d.runs",
    "select extract(date from started_at at time zone 'UTC') from d.runs",
    "select timestamp_trunc(started_at, day, 'UTC'), timestamp(day, 'UTC') from d.runs",
    "select format('%t', day), timestamp_add(started_at, interval 1 hour) from d.runs",
    "select current_date('UTC'), current_timestamp()",
    "select id from d.runs where started_at >= '2026-07-01 00:00:00+00' and day > '2026-07-01'",
]


def test_what_depends_on_the_default_time_zone_is_found(
    judge: Callable[[list[str]], list[Verdict]],
) -> None:
    verdicts = judge(ZONED + ZONELESS)
    zoned, zoneless = verdicts[: len(ZONED)], verdicts[len(ZONED) :]
    assert [(v.sql, v.error) for v in verdicts if not v.ok] == []
    assert [v.sql for v in zoned if not v.zoned] == []
    assert [(v.sql, v.zoned) for v in zoneless if v.zoned] == []


def test_a_statement_is_judged_once_with_whatever_dates_and_ids_but_not_with_a_wrong_date(
    judge: Callable[[list[str]], list[Verdict]],
) -> None:
    run = "insert into d.runs (id, day) values ('{}', date '2026-02-{}')"
    first, second = "5d438ac5-c805-4d02-98dc-d440deaa4d62", "0438ac55-c805-4d02-98dc-d440deaa4d62"
    sent = [run.format(first, "01"), run.format(second, "28"), run.format(second, "30")]
    read = "select id from d.runs"
    *verdicts, one, changed, other = judge([*sent, read, "alter table d.runs drop column id", read])
    assert [one.ok for one in verdicts] == [True, True, False]
    assert [one.statements for one in verdicts[:2]] == [(sql,) for sql in sent[:2]]
    assert (one.ok, changed.ok, other.ok) == (True, True, False), "the table is another"


def test_a_statement_is_judged_once_with_whatever_dataset_but_by_that_datasets_tables(
    judge: Callable[[list[str]], list[Verdict]],
) -> None:
    asked = "select id, '{0}' as tenant from `local.{0}.t` where day = '2026-07-01'"
    made = "create table {}.t (id string, day {})"
    *_, first, second, third, missing = judge(
        [
            *(made.format("alpha", "date"), made.format("beta", "date")),
            made.format("gamma", "int64"),
            *map(asked.format, ("alpha", "beta", "gamma", "delta")),
        ]
    )
    assert (first.ok, second.ok, third.ok, missing.ok) == (True, True, False, False)
    for verdict, name in ((first, "alpha"), (second, "beta")):
        assert verdict.tables == {f"local.{name}.t"} and verdict.sql == asked.format(name)
    assert second.statements == (asked.format("beta").replace(".", "`.`"),)
    assert "local.delta.t" in (missing.error or "").replace("`", "")


def test_tables_read_and_written_are_distinguished(
    judge: Callable[[list[str]], list[Verdict]],
) -> None:
    *_, claim, view, read = judge(
        [
            CLAIM.format("d"),
            "create view d.v as select cost from d.export",
            "select cost, (select count(*) from d.runs) as n from `local.d.v`",
        ]
    )
    assert claim.tables == {"local.d.runs"}
    assert claim.written == {"local.d.lock", "local.d.runs"}
    assert view.tables == {"local.d.export"}
    assert view.written == {"local.d.v"}
    assert read.tables == {"local.d.v", "local.d.runs"}
    assert read.written == frozenset()


def test_metadata_views_are_the_only_exemption(
    judge: Callable[[list[str]], list[Verdict]],
) -> None:
    [verdict] = judge(["select table_name from `local.d`.INFORMATION_SCHEMA.TABLES"])
    assert (verdict.ok, verdict.exemption) == (True, "METADATA_VIEWS")
    assert verdict.tables == {"local.d.INFORMATION_SCHEMA.TABLES"}


def test_columns_added_by_rest_are_known_to_the_analyzer(
    client: bigquery.Client, emulator: Emulator, analyzer_venv: Path, dataset: str
) -> None:
    client.query_and_wait(f"create table {dataset}.t (a int64)")
    table = client.get_table(f"local.{dataset}.t")
    table.schema = [*table.schema, bigquery.SchemaField("b", "STRING")]
    client.update_table(table, ["schema"])
    client.query_and_wait(f"select b from {dataset}.t")
    history = emulator.history(since_ms=int(table.created.timestamp() * 1000) - 1000)
    ours = [event for event in history if dataset in event.as_json()]
    assert [v.error for v in analyze(analyzer_venv, ours) if not v.ok] == []
