"""Start local-bigquery 0.4.0 with the gaps bridged that dbt and the runner fall into.

Runs inside the emulator's environment (setup_emulator.sh), on local-bigquery's own command
line plus `--schemas FILE` (see record_schemas) and `--without NAME`, which leaves one bridge
out: test_harness.py runs each gap that way and fails when BigQuery's behaviour is there
without us, so that the bridge can go. What only makes it faster is always on.
"""

from __future__ import annotations

import argparse
import copy
import functools
import gc
import hashlib
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import uvicorn
from emulator_translations import translate_once
from local_bigquery import cli
from local_bigquery.api import jobs as jobs_api
from local_bigquery.app import app
from local_bigquery.catalog import datasets, ddl, metadata, row_access
from local_bigquery.catalog import tables as catalog
from local_bigquery.engine import database, results, sessions
from local_bigquery.errors import BigQueryError
from local_bigquery.jobs import query, runner, store
from local_bigquery.models import RowAccessPolicy, Table, TableReference
from local_bigquery.sql.rules import tables
from sqlglot import exp
from sqlglot.expressions import core
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware

# Project, dataset and table, or those that are given.
Ids = tuple[str, ...]

CTAS = "CREATE_TABLE_AS_SELECT"
CHANGES = exp.Update | exp.Delete | exp.Merge | exp.TruncateTable
# A change outside of a transaction waits so long for one that is at the table.
QUEUE_SECONDS = 60.0


def ctas_destination() -> None:
    """Name the created table as the destination of a CREATE TABLE AS SELECT job.

    Symptom without: dbt fails after building the table,
    "'NoneType' object has no attribute 'path'".
    """
    execute, results = query.execute, jobs_api.results

    def execute_with_destination(*args: Any, **kwargs: Any) -> tuple[Any, Any, Any]:
        statistics, children, destination = execute(*args, **kwargs)
        if destination is None and statistics.statementType == CTAS:
            target = statistics.ddlTargetTable
            destination = TableReference.model_validate(target.dump()) if target else None
        return statistics, children, destination

    def results_without_rows(job: Any, *args: Any, **kwargs: Any) -> tuple[dict[str, Any], Any]:
        # The statement itself returns no rows, whatever its destination holds.
        statistics = job.statistics.query
        if statistics and statistics.statementType == CTAS:
            bare = job.configuration.query.without("destinationTable")
            job = job.replace(configuration=job.configuration.replace(query=bare))
        answer: tuple[dict[str, Any], Any] = results(job, *args, **kwargs)
        return answer

    query.execute = execute_with_destination
    jobs_api.results = results_without_rows


BOUNDS = exp.EQ | exp.GT | exp.GTE | exp.LT | exp.LTE | exp.Between | exp.In


def _is_bound(condition: exp.Expression, field: str) -> bool:
    """Whether it compares the column, itself or as a date, with constants: literals, parameters."""
    if not isinstance(condition, BOUNDS):
        return False
    sides = [side for side in condition.iter_expressions() if not isinstance(side, exp.Literal)]
    named = [side for side in sides if side.find(exp.Column)]
    if len(named) != 1 or any(side.find(exp.Query) for side in sides):
        return False
    columns = list(named[0].find_all(exp.Column))
    return [column.name.casefold() for column in columns] == [field]


def constant_partition_filter() -> None:
    """Refuse a query, a DELETE or an UPDATE whose partition filter leaves no partition out.

    Symptom without: on a table with require_partition_filter a query passes that names the column
    anywhere, compared with a subquery too, and so does any DELETE, for none is checked.
    """
    check = tables._check

    def check_constants(tree: exp.Expression, table: exp.Table, is_target: bool) -> None:
        check(tree, table, is_target)
        reader = table.find_ancestor(exp.Select, exp.Update, exp.Delete)
        stored = metadata.load(Table, table.catalog, table.db, table.name) or Table()
        if not stored.requirePartitionFilter or reader is None or isinstance(tree, exp.Merge):
            return
        if is_target and reader is not tree:  # an INSERT
            return
        partitioning = stored.timePartitioning
        field = ((partitioning and partitioning.field) or "_PARTITIONTIME").casefold()
        where = reader.args.get("where")
        held = where.this.flatten() if where and isinstance(where.this, exp.And) else [where]
        conditions = [one.this if isinstance(one, exp.Where) else one for one in held if one]
        if not any(_is_bound(one.unnest(), field) for one in conditions):
            raise BigQueryError(
                "invalidQuery",
                f"Cannot query over table '{table.catalog}.{table.db}.{table.name}' without a"
                f" filter over column(s) '{field}' that can be used for partition elimination",
            )

    tables._check = check_constants


class Changes:
    """Which transaction changes which table, and when a change of each was committed last.

    A transaction is its cursor, by id: a script has one, a session keeps it.
    """

    def __init__(self) -> None:
        self._free = threading.Condition()
        self._clock = 0
        self._began: dict[int, int] = {}
        self._cancelled: dict[int, BigQueryError] = {}
        self._changing: dict[str, int] = {}
        self._committed: dict[str, int] = {}

    def begin(self, cur: Any) -> None:
        with self._free:
            self._clock += 1
            self._began[id(cur)] = self._clock

    def is_open(self, cur: Any) -> bool:
        return id(cur) in self._began

    def change(self, cur: Any, table: str) -> None:
        """Note that the table is changed. Outside of a transaction, wait until no other changes it.

        Raises BigQueryError for the later of two transactions that overlap.
        """
        me = id(cur)
        with self._free:
            began = self._began.get(me, self._clock)
            if me not in self._began:
                self._free.wait_for(lambda: table not in self._changing, QUEUE_SECONDS)
                began = self._clock
            if self._changing.get(table, me) != me or self._committed.get(table, 0) > began:
                words = f"Transaction is aborted due to concurrent update against table {table}."
                self._cancelled[me] = BigQueryError("invalidQuery", words)
                raise self._cancelled[me]
            self._changing[table] = me

    def check(self, cur: Any) -> None:
        """Raises BigQueryError for a transaction that was cancelled."""
        if error := self._cancelled.get(id(cur)):
            raise error

    def end(self, cur: Any, is_committed: bool) -> None:
        with self._free:
            for table in [one for one, by in self._changing.items() if by == id(cur)]:
                del self._changing[table]
                if is_committed:
                    self._clock += 1
                    self._committed[table] = self._clock
            self._began.pop(id(cur), None)
            self._cancelled.pop(id(cur), None)
            self._free.notify_all()


def cancel_conflicts() -> None:
    """Cancel the later of two overlapping transactions that change one table, as BigQuery does.

    A change is an UPDATE, DELETE, MERGE or TRUNCATE, of whichever rows; one outside of a
    transaction waits until the table is free. An INSERT never conflicts.
    Symptom without: two transactions that delete different dates both commit.
    """
    changes = Changes()
    run, execute, abort = query._run, query.execute, sessions.abort

    def run_in_turn(
        cur: Any, tree: Any, context: Any, destination: Any, config: Any, dry_run: bool, *more: Any
    ) -> Any:
        if isinstance(tree, exp.Transaction):
            changes.begin(cur)
        if isinstance(tree, exp.Rollback):
            changes.end(cur, False)
        is_change = isinstance(tree, CHANGES) and not dry_run
        is_commit = isinstance(tree, exp.Commit)
        if is_change:
            changes.change(cur, ".".join(query._target(tree, context)).casefold())
        if is_commit:
            changes.check(cur)
        is_committed = False
        try:
            answer = run(cur, tree, context, destination, config, dry_run, *more)
            is_committed = True
            return answer
        finally:
            if is_commit or (is_change and not changes.is_open(cur)):
                changes.end(cur, is_committed)

    def execute_to_the_end(cur: Any, *args: Any, session: Any = None, **kwargs: Any) -> Any:
        try:
            return execute(cur, *args, session=session, **kwargs)
        finally:
            if session is None:  # what a script leaves open is rolled back
                changes.end(cur, False)

    def abort_session(session_id: str) -> None:
        changes.end(sessions.get(session_id).cursor, False)
        abort(session_id)

    query._run, query.execute, sessions.abort = run_in_turn, execute_to_the_end, abort_session


def record_schemas(path: Path) -> None:
    """Note every schema that was set by REST and not by SQL, one JSON line each.

    dbt adds columns (on_schema_change) and loads seeds that way; the job list, from which the
    analyzer learns the columns of tables, does not show it.
    """
    create, update, load = catalog.create, catalog.update, runner.HANDLERS["load"]

    def note(table: Any) -> Any:
        ids = catalog.reference(table.tableReference)
        fields = [field.dump() for field in catalog.fields(table)]
        line = {"at": int(metadata.now()), "table": ".".join(ids), "schema": fields}
        with path.open("a") as sink:
            sink.write(json.dumps(line) + "\n")
        return table

    def load_and_note(cur: Any, config: Any, upload: Any) -> Any:
        statistics = load(cur, config, upload)
        note(catalog.load(*catalog.reference(config.destinationTable)))
        return statistics

    catalog.create = lambda *args, **kwargs: note(create(*args, **kwargs))
    catalog.update = lambda *args, **kwargs: note(update(*args, **kwargs))
    runner.HANDLERS["load"] = load_and_note


class _Fresh:
    """A cursor that was just made: it has no temporary tables, however long one may search."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def sql(self, text: str, **params: Any) -> Any:
        if text == "SELECT table_name FROM duckdb_tables() WHERE temporary":
            return self
        return self._inner.sql(text, **params)

    def fetchall(self) -> list[Any]:
        return []


def do_not_list_temporary_tables() -> None:
    """Leave out what each job begins with: going through all tables for those of its cursor."""
    execute = query.execute

    def execute_fresh(cur: Any, *args: Any, session: Any = None, **kwargs: Any) -> Any:
        return execute(cur if session else _Fresh(cur), *args, session=session, **kwargs)

    query.execute = execute_fresh


def keep_tables_in_duckdb() -> None:
    """Keep a project's tables in a file of DuckDB's own, where the emulator takes DuckLake.

    There each statement writes and reads files of Parquet, and asks a database of metadata which.
    """
    connect = database._connect

    def attach(con: Any, project: str) -> None:
        path = database.settings.data_dir / f"{project}.project"
        con.execute(f"attach if not exists '{path}' as {database.quote(project)}")
        database._attached.add(project)

    @functools.cache
    def connect_with_one_thread() -> Any:
        con = connect()
        # Its tables are small: two threads would mostly wait for each other.
        con.execute("set threads = 1")
        return con

    database._attach, database.projects = attach, lambda: sorted(database._attached)
    database._connect = connect_with_one_thread


def keep_jobs_in_memory() -> None:
    """Write jobs down only for a statement that asks for them, by INFORMATION_SCHEMA.

    The emulator writes each job three times, and the statements of a script once more.
    """
    jobs: dict[tuple[str, str], Any] = {}
    not_written: dict[tuple[str, str], Any] = {}
    save, execute, writing = store.save, query.execute, threading.Lock()

    def hold(job: Any) -> Any:
        ids = job.jobReference.projectId, job.jobReference.jobId
        jobs[ids] = not_written[ids] = job
        return job

    def listed(
        project: str, states: Any = None, parent: Any = None, since: Any = None, until: Any = None
    ) -> list[Any]:
        def is_meant(job: Any) -> bool:
            created = int(job.statistics.creationTime)
            return (
                job.jobReference.projectId == project
                and job.statistics.parentJobId == parent
                and (not states or job.status.state in states)
                and (since or 0) <= created <= (until or created)
            )

        # Sorting keeps the order in which those of one time were sent.
        newest_first = [job for job in reversed(list(jobs.values())) if is_meant(job)]
        return sorted(newest_first, key=lambda job: -int(job.statistics.creationTime))

    def write_down() -> None:
        with writing, database.cursor() as cur:
            cur.begin()  # one for all: each takes longer than what is written in it
            store.execute = cur.execute
            for ids in list(not_written):
                if job := not_written.pop(ids, None):
                    save(job)
            cur.commit()

    def execute_with_jobs(
        cur: Any, project: str, job_id: Any, config: Any, *rest: Any, **more: Any
    ) -> Any:
        if "INFORMATION_SCHEMA.JOBS" in (config.query or "").upper():
            write_down()
        return execute(cur, project, job_id, config, *rest, **more)

    def delete(project: str, job_id: str) -> None:
        jobs.pop((project, job_id), None)
        not_written.pop((project, job_id), None)

    store.save, store.list_, store.delete = hold, listed, delete
    store.load = lambda *ids: jobs.get(ids)
    query.execute = execute_with_jobs


def keep_resources_in_memory() -> Callable[[], None]:
    """Hold what is recorded of datasets and tables; the function returned writes it down.

    The emulator reads it from its database for each table of each statement, several times.
    """
    kept: dict[str, dict[Ids, Any]] = {}
    delete, reading = metadata.delete, threading.Lock()

    def of(model: Any) -> dict[Ids, Any]:
        kind = metadata.KINDS[model]
        with reading:
            if kind not in kept:
                rows = metadata.fetch(f"select * from emulator.{kind}")
                kept[kind] = {row[:-1]: model.model_validate_json(row[-1]) for row in rows}
        return kept[kind]

    def listed(model: Any, *ids: str) -> list[Any]:
        if len(ids) == len(database.RESOURCES[metadata.KINDS[model]]):
            found = of(model).get(ids)
            return [found] if found else []
        return [one for its, one in list(of(model).items()) if its[: len(ids)] == ids]

    def save(resource: Any, *ids: str) -> Any:
        body = {name: value for name, value in resource.dump().items() if name != "etag"}
        etag = hashlib.md5(json.dumps(body, sort_keys=True).encode()).hexdigest()
        of(type(resource))[ids] = resource.replace(etag=etag)
        return of(type(resource))[ids]

    def delete_here_too(model: Any, *ids: str) -> None:
        for its in [its for its in list(of(model)) if its[: len(ids)] == ids]:
            del of(model)[its]
        delete(model, *ids)

    def write_down() -> None:
        with database.cursor() as cur:
            for kind, resources in kept.items():
                rows = [[*ids, json.dumps(one.dump())] for ids, one in resources.items()]
                places = ", ".join("?" * (len(database.RESOURCES[kind]) + 1))
                cur.execute(f"delete from emulator.{kind}")
                if rows:
                    cur.executemany(f"insert into emulator.{kind} values ({places})", rows)

    metadata.list_, metadata.save, metadata.delete = listed, save, delete_here_too
    row_access.secured = lambda: frozenset(ids[:3] for ids in of(RowAccessPolicy))
    return write_down


def copy_trees_quickly() -> None:
    """Copies of a statement's tree share the types of its nodes, which are never changed in place.

    Each statement is copied several times, and copies of types are most of a copy.
    """
    copied = copy.deepcopy

    def deepcopy(value: Any, *memo: Any) -> Any:
        if isinstance(value, exp.DataType):
            return value
        return dict(value) if type(value) is dict else copied(value, *memo)

    core.deepcopy = deepcopy
    exp.Expression.copy = lambda self: self.__deepcopy__(None)


def count_rows_without_reading_them() -> None:
    """Where no rows are asked for, as in a wait for a job."""
    page = results.page

    def count(cur: Any, source: str, limit: int | None = None, start: int = 0, *rest: Any) -> Any:
        if limit != 0:
            return page(cur, source, limit, start, *rest)
        [(total,)] = cur.sql(f"select count(*) from {source}").fetchall()
        return results.Page([], total, str(start) if start < total else None)

    results.page = count


class Identified:
    """The emulator's middleware that knows the caller, without a task of its own per request."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = dict(scope.get("headers", []))
        identity = row_access.identify(headers.get(b"authorization", b"").decode("latin-1"))
        token = row_access.caller.set(identity)
        try:
            await self._app(scope, receive, send)
        finally:
            row_access.caller.reset(token)


def identify_the_caller_quickly() -> None:
    """Put it in the place of the emulator's own."""
    theirs = [one for one in app.user_middleware if one.cls is BaseHTTPMiddleware]
    assert len(theirs) == 1
    app.user_middleware[app.user_middleware.index(theirs[0])] = Middleware(Identified)


class Known:
    """What the catalog answered, until something changes it."""

    def __init__(self) -> None:
        self._free = threading.Lock()
        # By the table that an answer is about; what is about none is under ().
        self._answers: dict[Ids, dict[Any, tuple[Any]]] = {}
        # Views read other tables. What is not known to be a table may be one.
        self._tables: set[Ids] = set()
        self._views: set[Ids] = set()
        self._changes = 0

    def remembered(
        self, read: Callable[..., Any], about: slice = slice(0, 0)
    ) -> Callable[..., Any]:
        """The same lookup, done once for the same arguments. An error is not remembered.

        `about` is where the names of a table are among the arguments.
        """

        def answer(*args: Any) -> Any:
            key, ids = (read, *args), _folded(args[about])
            with self._free:
                began, known = self._changes, self._answers.get(ids, {}).get(key)
            if known is None:
                known = (read(*args),)
                with self._free:
                    if began == self._changes:
                        self._answers.setdefault(ids, {})[key] = known
                        if ids and ids not in self._tables:
                            self._views.add(ids)
            [found] = known
            return list(found) if isinstance(found, list) else found

        return answer

    def changed_by(self, change: Callable[..., Any]) -> Callable[..., Any]:
        """The same change, after which nothing is known."""

        def done(*args: Any, **kwargs: Any) -> Any:
            try:
                return change(*args, **kwargs)
            finally:
                self.forget()

        return done

    def note_table(self, ids: Ids) -> None:
        """That the name is a table's: a change of another one does not change it."""
        with self._free:
            self._tables.add(_folded(ids))
            self._views.discard(_folded(ids))

    def forget(self, ids: Ids = ()) -> None:
        """What is known of a table, and of views, which may read it; or all."""
        ids = _folded(ids)
        with self._free:
            self._changes += 1
            self._tables.discard(ids)
            for name in (ids, *self._views):
                self._answers.pop(name, None)
            self._views.clear()
            if not ids:
                self._answers.clear()
                self._tables.clear()


def _folded(ids: Ids) -> Ids:
    return tuple(name.casefold() for name in ids)


class Count:
    """The rows of a table, which are counted only when they are asked for."""

    def __init__(self, *ids: str) -> None:
        self._sql = f"select count(*) from {database.quote(*ids)}"

    def __mul__(self, other: int) -> int:
        return int(str(self)) * other

    def __str__(self) -> str:
        return str(database.fetch(self._sql)[0][0])


def remember_the_catalog() -> Known:
    """Find a table by its name, and once until it changes.

    The emulator searches for each table of a statement several times, each time among all tables
    of all datasets and all kept results of queries: half of the scenario's time.
    """
    known, cursors = Known(), threading.local()
    listed, write = database.objects, catalog.write
    of_one = "FROM duckdb_columns() WHERE database_name = ? AND schema_name = ? AND table_name = ?"

    def fetch(sql: str, params: list[Any] | None = None) -> list[tuple[Any, ...]]:
        if not hasattr(cursors, "own"):  # to make one takes as long as to ask
            cursors.own = database.connection().cursor()
        found: list[tuple[Any, ...]] = cursors.own.execute(sql, params).fetchall()
        return found

    def columns_by_name(sql: str, *params: str) -> list[tuple[Any, ...]]:
        if params[0] == "emulator":
            return []  # a query's kept result: every column may be null
        described = f"(describe {database.quote(*params[:3])})"
        columns = f"(select column_name, \"null\" = 'YES' as is_nullable from {described})"
        try:
            rest = list(params[3:])
            return fetch(sql.replace(of_one, f"from {columns} where true"), rest)
        except (duckdb.CatalogException, duckdb.BinderException):
            return []

    def fetch_by_name(sql: str, params: list[Any] | None = None) -> list[tuple[Any, ...]]:
        if of_one in sql and params:
            found: list[tuple[Any, ...]] = columns_of(sql, *params)
            return found
        return fetch(sql, params)

    def kind(*ids: str) -> str | None:
        try:
            fetch(f"select rowid from {database.quote(*ids)} limit 0")
        except duckdb.BinderException:
            return "VIEW"  # which has no rowid
        except duckdb.CatalogException:
            return None
        known.note_table(ids)
        return "TABLE"

    def objects(project: str, dataset: str, table: str | None = None) -> list[tuple[Any, ...]]:
        if table is None:
            return list(listed(project, dataset))
        ids = (project, dataset, table)
        # A query's kept result is written without a change of the catalog.
        found = kind(*ids) if project == "emulator" else kind_of(*ids)
        return [(table, found, Count(*ids) if found == "TABLE" else 0)] if found else []

    def write_and_forget(cur: Any, sql: str, params: Any, ids: Any, *rest: Any, **more: Any) -> Any:
        try:
            return write(cur, sql, params, ids, *rest, **more)
        finally:
            if ids[1] != catalog.RESULTS:
                known.forget(ids)

    def changed(tree: Any) -> Ids:
        """The one table that a statement changes; empty when it may be more."""
        target = tree.find(exp.Table)
        is_of_one = tree.args.get("kind") in ("TABLE", "VIEW") and not tree.find(exp.AlterRename)
        if not is_of_one or target is None or not (target.catalog and target.db):
            return ()
        return target.catalog, target.db, target.name

    def split_and_forget(tree: Any) -> Iterator[Any]:
        for part in split(tree):
            yield part
            if isinstance(tree, query.DDL):
                known.forget(changed(tree))  # CREATE is run before the INSERT of the rows

    def apply_afresh(tree: Any, *args: Any) -> None:
        # The statement itself has changed the catalog.
        known.forget(changed(tree))
        try:
            apply(tree, *args)
        finally:
            known.forget(changed(tree))

    columns_of = known.remembered(columns_by_name, slice(1, 4))
    kind_of = known.remembered(kind, slice(0, 3))
    database.objects, database.fetch = objects, fetch_by_name
    datasets.exists = known.remembered(datasets.exists)
    catalog.columns = known.remembered(catalog.columns, slice(0, 3))
    database.execute = known.changed_by(database.execute)
    catalog.write = write_and_forget
    apply, split = ddl.apply, query.ddl.split
    ddl.apply, query.ddl.split = apply_afresh, split_and_forget
    for name in ("load", "copy"):
        runner.HANDLERS[name] = known.changed_by(runner.HANDLERS[name])
    return known


BRIDGES: dict[str, Callable[[], None]] = {
    "ctas_destination": ctas_destination,
    "constant_partition_filter": constant_partition_filter,
    "cancel_conflicts": cancel_conflicts,
}


def main(argv: list[str]) -> None:
    """Build every bridge not left out by name, then serve until SIGTERM."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--without", action="append", default=[], choices=sorted(BRIDGES))
    parser.add_argument("--schemas", type=Path, required=True)
    ours, theirs = parser.parse_known_args(argv)
    for name, build in BRIDGES.items():
        if name not in ours.without:
            build()
    keep_tables_in_duckdb()
    keep_jobs_in_memory()
    write_down = keep_resources_in_memory()
    translate_once(remember_the_catalog().remembered)
    do_not_list_temporary_tables()
    copy_trees_quickly()
    count_rows_without_reading_them()
    identify_the_caller_quickly()
    # Trees of statements are many objects that live for a short time.
    gc.set_threshold(100_000)
    gc.freeze()
    # The engine searches for pandas at each statement, and where there is none on all of sys.path.
    sys.modules.setdefault("pandas", None)  # type: ignore[arg-type]
    record_schemas(ours.schemas)
    uvicorn.run = functools.partial(uvicorn.run, access_log=False)
    # The server stops, and then repeats the signal, which would end the process here.
    signal.signal(signal.SIGTERM, lambda *_: None)
    cli.main(theirs)
    write_down()
    os._exit(0)  # without waiting for a job that waits for a table


if __name__ == "__main__":
    main(sys.argv[1:])
