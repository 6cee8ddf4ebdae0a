"""The engine's share of a run: the statements that dbt sends, recorded, then sent without dbt.

raw_sql.py FOLDER record TENANT FIRST [LAST]   runs dbt here, keeps statements and the file
raw_sql.py FOLDER replay TENANT                sends them one by one to a copy of the file
"""

import json
import os
import pickle
import shutil
import sys
from pathlib import Path
from typing import Any

import duckdb


def record(folder: Path, tenant: str, first: str, last: str) -> None:
    from dbt.adapters.duckdb.environments import local
    from dbt.cli.main import dbtRunner

    sent: list[tuple[str, Any]] = []
    cursor, connection = local.DuckDBCursorWrapper, local.DuckDBConnectionWrapper
    execute, rollback = cursor.execute, connection.rollback

    def noted(self: Any, sql: str, bindings: Any = None) -> Any:
        sent.append((sql, bindings))
        return execute(self, sql, bindings)

    def noted_rollback(self: Any) -> Any:
        sent.append(("ROLLBACK", None))
        return rollback(self)

    cursor.execute, connection.rollback = noted, noted_rollback
    shutil.copyfile(_file(folder, tenant), folder / "before.duckdb")
    done = dbtRunner().invoke(
        [
            *("build", "--selector", "cost_billing_dates", "--exclude-resource-type", "unit_test"),
            *("--vars", json.dumps({"tenant_id": tenant, "from_date": first, "to_date": last})),
            *("--threads", "1"),
            *("--target-path", str(folder / "raw"), "--log-path", str(folder / "raw")),
        ]
    )
    if not done.success:
        sys.exit(f"dbt failed: {done.exception or done.result}")
    (folder / "sent.pickle").write_bytes(pickle.dumps(sent))


def replay(folder: Path, tenant: str) -> None:
    (folder / "again").mkdir(exist_ok=True)
    path = folder / "again" / _file(folder, tenant).name
    shutil.copyfile(folder / "before.duckdb", path)
    sent = pickle.loads((folder / "sent.pickle").read_bytes())
    with duckdb.connect(str(path), config={"threads": os.cpu_count() or 1}) as connection:
        connection.execute("set TimeZone = 'UTC'")
        for sql, bindings in sent:
            if sql == "ROLLBACK":
                try:
                    connection.execute(sql)
                except duckdb.TransactionException:
                    continue  # dbt rolls back what it has committed, too
            else:
                found = connection.execute(sql, bindings) if bindings else connection.execute(sql)
                if found.description:
                    found.fetchall()


def _file(folder: Path, tenant: str) -> Path:
    return folder / "warehouse" / f"tenant_{tenant}.duckdb"


if __name__ == "__main__":
    if sys.argv[2] == "record":
        record(Path(sys.argv[1]), sys.argv[3], sys.argv[4], sys.argv[-1])
    else:
        replay(Path(sys.argv[1]), sys.argv[3])
