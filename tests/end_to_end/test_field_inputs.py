"""Inputs that people met in the field: every row of every file becomes a charge, or it is refused.

The names of the first tests are those of ../shared/data/field/PROVENANCE.md.
"""

import gzip
import json
import random
import re
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import date
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pyarrow
import pyarrow.parquet
import pytest
from exports import ACCOUNT, DETAILED, charge, credit, write_csv, write_ndjson, write_parquet
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from support import only, shared
from world import EMAIL, SharedWorker, World, a_world

from runner.dataset import export_files
from runner.engine.job import Event, Job
from runner.engine.process import Worker
from runner.errors import UsageProblem

DAY = "2024-11-01"
FIELD = "01ABCD-111111-222222"
WRITERS = {"csv": write_csv, "ndjson.gz": write_ndjson, "parquet": write_parquet}


@pytest.fixture(scope="module", autouse=True)
def bill_alone() -> Iterator[None]:
    """Runs of this file build the charges alone, unless a test asks for more."""
    with only("copy"):
        yield


@pytest.fixture
def bill_with_tests() -> Iterator[None]:
    """Runs of a test build silver, too, and keep what tests found."""
    with only("bill_run"):
        yield


def refused(world: World, export: Path | str, *options: str) -> str:
    """Why onboarding refuses the export; it leaves no tenant behind."""
    answer = world(
        *("tenant", "add", "field", "--admin-email", EMAIL, "--export", str(export), *options)
    )
    assert answer.exit_code == 2, answer.output
    assert "Traceback" not in answer.output
    assert not world.warehouse.exists() or not list(world.warehouse.iterdir())
    assert not list(world.folder.rglob("tenants/field"))
    return answer.stderr


def loaded(world: World, export: Path | str, *options: str) -> tuple[int, Decimal]:
    """Rows and cost of the day, once the tenant is added and its day is loaded."""
    world.add("field", export, *options)
    world.run("field", DAY)
    rows = world.data("field", "select count(*), sum(cost) from field.billing_cost_daily")
    return rows[0][0], rows[0][1]


def fails(world: World, *options: str) -> str:
    """Why the run of the day fails."""
    answer = world("run", "--tenant", "field", "--date", DAY, "--json", *options)
    document = json.loads(answer.stdout)
    assert (answer.exit_code, document["status"]) == (1, "FAILED"), document
    return str(document["error"])


# -- The rows of PROVENANCE.md.


def test_concatenated_csv_of_two_schema_ages(empty_world: World) -> None:
    reported = refused(empty_world, shared("data/field/concatenated_csv_of_two_schema_ages.csv"))
    assert (
        "concatenated_csv_of_two_schema_ages.csv is not valid in line 4: a second header"
        in reported
    )


def test_glob_with_a_cut_csv(empty_world: World) -> None:
    export = shared("data/field/glob_with_a_cut_csv") / "e-*.csv"
    reported = refused(empty_world, export, "--billing-account", FIELD)
    assert (
        "e-1.csv is not valid in line 3" in reported
        and "was cut" in reported
        and "e-0.csv" not in reported
    )


def test_glob_with_a_file_without_account(empty_world: World) -> None:
    export = shared("data/field/glob_with_a_file_without_account") / "p*.parquet"
    reported = refused(empty_world, export, "--billing-account", FIELD)
    assert "p1.parquet lacks the columns billing_account_id" in reported
    assert "usage_start_time" in reported and "p0.parquet" not in reported


def logical_types(parquet: Path) -> dict[str, Any]:
    with duckdb.connect() as connection:
        found = connection.execute(
            "select name, logical_type from parquet_schema(?)", [str(parquet)]
        )
        return dict(found.fetchall())


def test_a_parquet_file_without_rows_needs_no_types_beside_others(empty_world: World) -> None:
    """As pandas writes an empty table. Alone, or where it retypes the others, it is refused."""
    folder = empty_world.folder
    empty = {
        **DETAILED,
        **dict.fromkeys(("service", "credits", "labels", "cost", "invoice"), '"null"'),
    }
    write_parquet(folder / "e-0.parquet", [], {k: v for k, v in empty.items() if k != "usage"})
    assert "lacks the column" in refused(empty_world, folder / "e-*.parquet")
    write_parquet(folder / "e-1.parquet", rows(1, 2, credits=[credit(-0.5)]))
    write_parquet(folder / "e-2.parquet", [], {**DETAILED, "cost": "varchar"})
    assert "e-2.parquet has the column cost as VARCHAR" in refused(
        empty_world, folder / "e-*.parquet"
    )
    (folder / "e-2.parquet").unlink()
    assert loaded(empty_world, folder / "e-*.parquet") == (2, Decimal(3))
    found = empty_world.data("field", "select sum(credits_total) from field.billing_cost_daily")
    assert found == [(Decimal(-1),)]


def test_json_array(empty_world: World) -> None:
    reported = refused(empty_world, shared("data/field/json_array.json"))
    assert "json_array.json is a JSON array: write newline-delimited JSON" in reported


# -- Text that is cut, joined, renamed or compressed.


def rows(*costs: float, of: str = ACCOUNT, **changes: Any) -> list[dict[str, Any]]:
    return [charge(DAY, cost, **{"billing_account_id": of, **changes}) for cost in costs]


def account(kind: int, file: int = 0) -> str:
    """The account of a file of some kind; those of a kind begin alike."""
    return f"01A{kind:02}{file}-BBBBBB-CCCCCC"


def test_text_that_was_cut_joined_or_renamed_is_refused_with_its_file(empty_world: World) -> None:
    folder = empty_world.folder
    complete = write_csv(folder / "0.csv", rows(1, 2)).read_text()
    older = [name for name in DETAILED if name != "consumption_model"]
    lines = complete.splitlines(keepends=True)
    cases = {
        "cut_in_quotes.csv": (
            complete[: complete.rindex("amount")],
            "in line 3: a value whose quotes do not end",
        ),
        "cut_in_a_row.csv": (
            complete[: complete.index("USD", len(lines[0]) + len(lines[1]))],
            "in line 3",
        ),
        "joined.csv": (complete + complete, "in line 4: a second header"),
        "joined_ages.csv": (
            write_csv(folder / "1.csv", rows(1), older).read_text() + complete,
            "in line 3: a second header",
        ),
        "without_header.csv": ("".join(lines[1:]), "has no header"),
        "renamed.csv": (
            complete.replace("cost,currency", "charge,currency"),
            "lacks the column cost",
        ),
        "flat.csv": (
            complete.replace("service,", "service.id,", 1),
            "columns of their own (service.id)",
        ),
        "twice.csv": (complete.replace("cost_type", "cost", 1), "has the column cost twice"),
        "line_ends.csv": (
            lines[0].replace("\n", "\r\n") + lines[1],
            "mixes line ends (CR LF and LF)",
        ),
        "last_line_end.csv": (complete[:-1] + "\r\n", "mixes line ends (CR LF and LF)"),
        "header.csv": (
            complete.replace("service,", '"serv\nice",', 1),
            "has a quote in its header that does not end in the same line",
        ),
        "empty.csv": ("", "is empty"),
        "without_account.csv": (
            complete.replace(ACCOUNT, "", 1),
            "has 1 row without a valid billing account",
        ),
        "cost.csv": (
            complete.replace(",2,USD", ",much,USD"),
            "in the column cost a value that does not fit FLOAT64",
        ),
    }
    for name, (text, reported) in cases.items():
        (folder / name).write_text(text, newline="")
        assert text == "" or text != complete, name
        printed = refused(empty_world, folder / name)
        assert reported in printed and name in printed, (name, printed)
        assert "Compute Engine" not in printed, "no other tenant's row is shown"


@pytest.mark.parametrize("chunk_bytes", [1, 2, 3, 5, 1 << 20])
def test_line_ends_are_distinguished_wherever_the_file_is_read_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk_bytes: int
) -> None:
    monkeypatch.setattr(export_files, "CHUNK_BYTES", chunk_bytes)
    alike = ("a,b\n1,2\n\n", "a,b\r\n1,2\r\n", "a,b\r1,2", 'a,b\r\n"1\n""\r",2\r\n', 'a\n"\r\n"\n')
    mixed = ("a,b\r\n1,2\n", "a,b\n1,2\r\n", "a,b\n1,2\r", 'a,b\n"""",2\r\n', 'a\n"\r\n"\r\n')
    for text in (*alike, *mixed):
        path = tmp_path / "e.csv"
        path.write_text(text, newline="")
        reported = "e.csv mixes line ends" if text in mixed else ""
        with pytest.raises(UsageProblem, match=reported) if reported else nullcontext():
            export_files.check([str(path)])


def test_ndjson_that_is_no_export_is_refused_with_its_file(empty_world: World) -> None:
    folder = empty_world.folder
    complete = gzip.decompress(
        write_ndjson(folder / "0.ndjson.gz", rows(1, 2)).read_bytes()
    ).decode()
    cases = {
        "cut.ndjson": (complete[:-300], "in line 2: not one JSON object"),
        "cut_in_the_midst.ndjson": (
            complete[: len(complete) // 4] + "\n" + complete,
            "in line 1: not",
        ),
        "array_line.ndjson": (complete + '["Compute Engine"]\n', "in line 3: not one"),
        "text_line.ndjson": (complete + '"Compute Engine"\n', "in line 3: not one"),
        "no_utf8.ndjson": (complete.replace("core", "\udcff", 1), "in line 1: not one"),
        "credits.ndjson": (complete.replace('"credits"', '"credit"'), "lacks credits.name"),
        "flat.ndjson": (
            complete.replace(
                '"service": {"id": "6F81-5844-456A", "description": "Compute Engine"}',
                '"service.id": "6F81-5844-456A"',
            ),
            "columns of their own (service.id)",
        ),
        "project.ndjson": (
            complete.replace('"project": {"id"', '"project": {"ident"'),
            "project.ident",
        ),
        "account.ndjson": (
            complete.replace("billing_account_id", "account"),
            "lacks billing_account_id",
        ),
        "labels.ndjson": (
            complete.replace(
                '"labels": [{"key": "env", "value": "prod"}]', '"labels": {"env": "prod"}'
            ),
            "in the column labels a value",
        ),
        "lines.ndjson": (complete.replace("\n", "", 1), "in line 1: not one JSON object"),
        "null.ndjson": (complete + "null\n", "in line 3: not one JSON object"),
        "nothing.ndjson": (complete + "{}\n", "without a valid billing account"),
        "empty.ndjson": ("", "is empty"),
        "array.json": (f"[{','.join(complete.splitlines())}]", "is a JSON array"),
        "long_array.json": (
            f"[{','.join(complete.splitlines() * 1000)}]",
            "has no line of text below 2 MB: write one charge per line, and no JSON array",
        ),
    }
    for name, (text, reported) in cases.items():
        (folder / name).write_text(text, errors="surrogateescape")
        assert text != complete, name
        printed = refused(empty_world, folder / name)
        assert reported in printed and name in printed, (name, printed)
        assert "Compute Engine" not in printed, "no other tenant's row is shown"


def test_a_line_that_is_no_object_is_in_no_record_of_the_run_that_found_it(
    empty_world: World,
) -> None:
    export = empty_world.folder / "e.ndjson"
    packed = write_ndjson(empty_world.folder / "_.gz", rows(1.5))
    text = gzip.decompress(packed.read_bytes()).decode()
    export.write_text(text)
    assert loaded(empty_world, export) == (1, Decimal("1.5"))
    export.write_text(text + '["the row of another tenant"]\n')
    assert f"{export} is not valid in line 2: not one JSON object" in fails(empty_world)
    export.write_text(text.replace('"cost": 1.5', '"cost": "of another tenant"'))
    reported = fails(empty_world)
    assert "cost" in reported and "FLOAT64" in reported
    kept = [
        *empty_world.control("select * from field.x_meta_pipeline_runs"),
        *empty_world.control("select * from field.x_meta_step_logs"),
        *empty_world.data("field", "select * from field.x_meta_dq_results"),
    ]
    assert "line 2" in str(kept) and "another tenant" not in str(kept) + reported


def test_parquet_that_would_fail_in_a_run_is_refused_at_onboarding(empty_world: World) -> None:
    folder = empty_world.folder
    labels = {**DETAILED, "labels": "struct(env varchar)"}
    write_parquet(folder / "labels.parquet", [{**charge(), "labels": {"env": "prod"}}], labels)
    assert "labels as STRUCT(env VARCHAR) instead of" in refused(
        empty_world, folder / "labels.parquet"
    )
    write_parquet(folder / "date.parquet", rows(1), {**DETAILED, "_PARTITIONTIME": "varchar"})
    assert "_PARTITIONTIME as VARCHAR instead of TIMESTAMP" in refused(
        empty_world, folder / "date.parquet"
    )
    nested = write_parquet(folder / "nested.parquet", rows(1))
    with duckdb.connect() as connection:
        connection.execute(
            f"copy (select * exclude (service), service.id as \"service.id\" from '{nested}')"
            f" to '{folder / 'flat.parquet'}' (format parquet)"
        )
    assert "columns of their own (service.id)" in refused(empty_world, folder / "flat.parquet")
    write_parquet(folder / "p-0.parquet", rows(1))
    write_parquet(folder / "p-1.parquet", rows(1, billing_account_id=None))
    reported = refused(empty_world, folder / "p-*.parquet", "--billing-account", ACCOUNT)
    assert "p-1.parquet has 1 row without a valid billing account" in reported


def test_files_whose_types_lose_digits_when_read_together_are_refused_with_both_names(
    empty_world: World,
) -> None:
    folder = empty_world.folder
    digits = "12345678901234567890.123456789"
    twice = Decimal("24691357802469135780.246913578")
    amount = DETAILED["credits"].replace("amount double", "amount decimal(38, 9)")
    exact = {**DETAILED, "cost": "decimal(38, 9)", "credits": amount}
    many = charge(DAY, digits, credits=[credit(digits)])  # type: ignore[arg-type]
    write_parquet(folder / "f-0.parquet", rows(1))
    write_parquet(folder / "f-1.parquet", [many], exact)
    reported = refused(empty_world, folder / "f-*.parquet")
    for path in ("cost", "credits.amount"):
        assert f"f-1.parquet has the column {path} as DECIMAL(38,9), and {folder}/f-0.p" in reported
    write_parquet(folder / "s-0.parquet", rows(1), {**DETAILED, "cost": "decimal(38, 2)"})
    write_parquet(folder / "s-1.parquet", [many], exact)
    reported = refused(empty_world, folder / "s-*.parquet")
    assert f"s-1.parquet has the column cost as DECIMAL(38,9), and {folder}/s-0.p" in reported
    wide = pyarrow.parquet.read_table(folder / "f-1.parquet")
    at = wide.schema.get_field_index("cost")
    column = wide["cost"].cast(pyarrow.decimal256(76, 38))
    pyarrow.parquet.write_table(wide.set_column(at, "cost", column), folder / "wide.parquet")
    reported = refused(empty_world, folder / "wide.parquet")
    assert "wide.parquet has the column cost as DECIMAL(76,38) instead of FLOAT64" in reported
    folder = empty_world.folder / "later"
    write_parquet(folder / "0.parquet", [many], exact)
    write_parquet(folder / "1.parquet", [many], {**exact, "cost": "decimal(30, 9)"})
    assert loaded(empty_world, folder / "*.parquet") == (2, twice)
    write_parquet(folder / "1.parquet", rows(1))
    reported = fails(empty_world)
    assert (
        f"{folder}/0.parquet has the column cost" in reported and f"{folder}/1.parquet" in reported
    )


def test_a_row_whose_account_is_not_as_google_writes_it_fails_and_names_its_file(
    empty_world: World,
) -> None:
    """The tenant's filter would leave it out, and the run would be complete without its money."""
    folder = empty_world.folder
    good = rows(1, 2)
    spoilt = [ACCOUNT[:4] + ACCOUNT, *(f"{head}{ACCOUNT}" for head in "# \x1a\n")]
    spoilt += [ACCOUNT.lower(), f"{ACCOUNT} ", f"{ACCOUNT}\n", ACCOUNT.replace("-", ""), "-"]
    bad = good + [row for account in spoilt for row in rows(1, billing_account_id=account)]
    for ending, write in WRITERS.items():
        path = write(folder / f"bad.{ending}", bad)
        reported = refused(empty_world, path, "--billing-account", ACCOUNT)
        assert f"bad.{ending} has {len(spoilt)} rows without a valid billing account" in reported
    # One tenant of all three formats, an account in each; then each is spoilt in its turn.
    accounts = {ending: account(0, n) for n, ending in enumerate(WRITERS)}
    exports = {
        ending: write(folder / f"later.{ending}", rows(1, 2, of=accounts[ending]))
        for ending, write in WRITERS.items()
    }
    first, *others = exports.values()
    more = [part for path in others for part in ("--export", str(path))]
    own = [part for one in accounts.values() for part in ("--billing-account", one)]
    assert loaded(empty_world, first, *more, *own) == (6, Decimal(9))
    for ending, path in exports.items():
        complete = path.read_bytes()
        WRITERS[ending](path, [*rows(1, 2, of=accounts[ending]), *bad[len(good) :]])
        assert f"later.{ending}" in fails(empty_world)
        path.write_bytes(complete)


# -- Odd files that are loaded, each of accounts of its own: one tenant has them all.


def nanoseconds(folder: Path) -> list[Path]:
    """As pandas writes them: DuckDB writes such a column without its zone, which is a byte."""
    types = {**DETAILED, "usage_start_time": "timestamp_ns"}
    export = write_parquet(folder / "nanoseconds.parquet", rows(1, of=account(0)), types)
    without, with_zone = b"\x8c\x12\x1c\x3c\0\0", b"\x8c\x11\x1c\x3c\0\0"
    assert export.read_bytes().count(without) == 1
    export.write_bytes(export.read_bytes().replace(without, with_zone))
    assert "isAdjustedToUTC=1, unit=TimeUnit(MILLIS=<null>, MICROS=<null>, NANOS=Nano" in str(
        logical_types(export)["usage_start_time"]
    )
    return [export]


def null_types(folder: Path) -> list[Path]:
    """A column without any value has Parquet's null type, not its own."""
    types = {**DETAILED, "adjustment_info": '"null"'}
    export = write_parquet(folder / "null.parquet", rows(1, of=account(1)), types)
    assert logical_types(export)["adjustment_info"] == "NullType()"
    return [export]


def taxes(folder: Path) -> list[Path]:
    """BigQuery leaves out of JSON what has no value: no row has a project, a resource, labels."""
    tax = {"cost_type": "tax", "project": None, "labels": [], "resource": None, "location": None}
    packed = write_ndjson(folder / "_.gz", rows(4.11, 8.22, of=account(2), **tax))
    export = folder / "tax.ndjson"
    export.write_bytes(gzip.decompress(packed.read_bytes()))
    assert "project" not in export.read_text()
    return [export]


def any_names(folder: Path) -> list[Path]:
    """Also DuckDB's own name for the names of files, and one with the delimiter in quotes."""
    more = {"filename": "theirs", 'a, "note"': "x"}
    named = [{**charge(DAY, 1.0, billing_account_id=account(3, n)), **more} for n in range(4)]
    columns = {**DETAILED, "filename": "varchar"}
    written = write_csv(folder / "0.csv", named[:1], [*columns, 'a, "note"'])
    text = write_csv(folder / "1.csv", named[1:2], ["filename", *DETAILED]).read_text()
    quoted = folder / "quoted.csv"
    header, rest = text.split("\n", 1)
    quoted.write_text(",".join(f'"{name}"' for name in header.split(",")) + f"\n{rest}")
    return [
        *(written, quoted, write_ndjson(folder / "2.ndjson.gz", named[2:3])),
        write_parquet(folder / "3.parquet", named[3:], columns),
    ]


UNITS = ("timestamp_s", "timestamp_ms", "timestamp_ns", "timestamp", "timestamptz")


def units_and_zones(folder: Path) -> list[Path]:
    """Seconds to nanoseconds, with and without a zone; `_PARTITIONTIME` likewise."""
    source = write_parquet(folder / "source.parquet", rows(1, of=account(4)))
    (folder / "times").mkdir()
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        for name in UNITS:
            times = ", ".join(
                f"cast(cast({one} as timestamp) as {name}) as {one}"
                if name != "timestamptz"
                else f"{one} as {one}"
                for one in ("usage_start_time", "usage_end_time", "export_time", "_PARTITIONTIME")
            )
            connection.execute(
                f"copy (select * replace ({times}) from '{source}')"
                f" to '{folder / 'times' / name}.parquet' (format parquet)"
            )
    return [folder / "times" / "*.parquet"]


SELLER = 'two\nlines, a "quote"; and\ttab'


def packed_and_delimited(folder: Path) -> list[Path]:
    """Delimiters, line ends, gzip of several members, a byte order mark, columns of before."""
    charges = [rows(1, 2, of=account(5, n), seller_name=SELLER) for n in range(6)]
    bom = write_csv(folder / "bom.csv", charges[2])
    bom.write_bytes(b"\xef\xbb\xbf" + bom.read_bytes())
    members = write_ndjson(folder / "members.ndjson.gz", charges[3][:1])
    members.write_bytes(
        members.read_bytes() + write_ndjson(folder / "_.gz", charges[3][1:]).read_bytes()
    )
    crlf = folder / "crlf.jsonl"
    text = gzip.decompress(write_ndjson(folder / "_.gz", charges[4]).read_bytes())
    crlf.write_bytes(text.replace(b"\n", b"\r\n"))
    return [
        write_csv(folder / "semicolon.csv", charges[0], delimiter=";"),
        write_csv(folder / "tab.csv.gz", charges[1], delimiter="\t", line_end="\r\n"),
        *(bom, members, crlf),
        write_csv(folder / "older.csv", charges[5], [n for n in DETAILED if n != "tags"]),
    ]


TIMES = (
    *("2024-11-01 12:00:00 UTC", "2024-11-01T12:00:00Z", "2024-11-01T12:00:00.000000Z"),
    *("2024-11-01 12:00:00", " 2024-11-01 12:00", "2024/11/01 12:00:00", "2024-11-1 12:00:00"),
    *("2024-11-01 14:00:00+02", "2024-11-01T12:00:00+00:00"),
)


def times_as_text(folder: Path) -> list[Path]:
    charges = [{**rows(1, of=account(6))[0], "usage_start_time": one} for one in TIMES]
    return [write_csv(folder / "times.csv", charges)]


ODD = (
    *(nanoseconds, null_types, taxes, any_names, units_and_zones, packed_and_delimited),
    times_as_text,
)


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The tenant of all these files, whose day is loaded."""
    world = a_world(tmp_path_factory.mktemp("odd"))
    first, *others = [path for make in ODD for path in make(world.folder)]
    loaded(world, first, *(part for path in others for part in ("--export", str(path))))
    return world


def found(odd: World, make: Any, columns: str = "count(*), sum(cost)") -> list[tuple[Any, ...]]:
    """What is loaded of the accounts of some files."""
    return odd.data(
        "field",
        f"select distinct {columns} from field.billing_cost_daily"
        f" where starts_with(billing_account_id, '{account(ODD.index(make))[:5]}')",
    )


def test_nanosecond_timestamps_with_zone(odd: World) -> None:
    assert found(odd, nanoseconds) == [(1, Decimal(1))]
    assert found(odd, nanoseconds, "usage_start_time::varchar") == [(f"{DAY} 12:00:00",)]


def test_all_null_column_by_pandas(odd: World) -> None:
    assert found(odd, null_types) == [(1, Decimal(1))]
    assert found(odd, null_types, "adjustment_id") == [(None,)]


def test_only_tax_rows(odd: World) -> None:
    assert found(odd, taxes) == [(2, Decimal("12.33"))]


def test_a_column_may_have_any_name_that_its_format_allows(odd: World) -> None:
    assert found(odd, any_names) == [(4, Decimal(4))]


def test_every_unit_and_zone_of_a_timestamp_that_is_accepted_is_read(odd: World) -> None:
    assert found(odd, units_and_zones) == [(len(UNITS), Decimal(len(UNITS)))]
    times = found(odd, units_and_zones, "usage_start_time, export_partition_time")
    assert [[str(one) for one in row] for row in times] == [[f"{DAY} 12:00:00", f"{DAY} 00:00:00"]]


def test_what_compresses_delimits_and_ends_lines_changes_no_row(odd: World) -> None:
    assert found(odd, packed_and_delimited) == [(12, Decimal(18))]
    assert found(odd, packed_and_delimited, "seller_name") == [(SELLER,)]


def test_every_text_of_a_timestamp_is_read(odd: World) -> None:
    assert found(odd, times_as_text) == [(len(TIMES), Decimal(len(TIMES)))]
    assert found(odd, times_as_text, "usage_start_time::varchar") == [(f"{DAY} 12:00:00",)]


# -- Rows that are the tenant's though a name, a time or a label is not as Google writes it.


@pytest.mark.parametrize("order", [("Cost", "cost"), ("cost", "Cost")])
def test_columns_whose_names_differ_only_in_case_are_refused(
    empty_world: World, order: tuple[str, str]
) -> None:
    """DuckDB reads the first of them under both names."""
    folder = empty_world.folder
    write_csv(folder / "e-0.csv", rows(1))
    columns = [*order, *(name for name in DETAILED if name != "cost")]
    write_csv(folder / "e-1.csv", [{**row, "Cost": "1000"} for row in rows(1, 2)], columns)
    reported = refused(empty_world, folder / "e-*.csv")
    assert (
        "e-1.csv has the column" in reported
        and "twice (names that differ only in case)" in reported
    )


@pytest.mark.parametrize("time", ["01-11-24 12:00", "11/1/24", "24/11/01", "1-11-24T12:00:00Z"])
def test_a_time_without_a_year_of_four_digits_is_refused(empty_world: World, time: str) -> None:
    """DuckDB reads it as a day of the first century: the row would be of no date."""
    folder = empty_world.folder
    write_csv(folder / "e-0.csv", rows(1))
    write_csv(folder / "e-1.csv", [{**row, "usage_start_time": time} for row in rows(2)])
    reported = refused(empty_world, folder / "e-*.csv")
    assert (
        "usage_start_time a value that does not fit TIMESTAMP" in reported and time not in reported
    )


def test_a_file_is_read_complete_whatever_its_partition_label_is(empty_world: World) -> None:
    """Such as a download of a table partitioned by month."""
    early = [
        charge(DAY, cost, _PARTITIONTIME=f"{label} 00:00:00+00")
        for cost, label in ((10.0, "2024-10-28"), (100.0, "2024-10-01"))
    ]
    export = write_parquet(empty_world.folder / "e.parquet", [*rows(1), *early])
    assert loaded(empty_world, export) == (3, Decimal(111))
    answer = empty_world("catch-up", "--tenant", "field")
    assert answer.exit_code == 0, answer.output
    assert "nothing to run" in answer.output and "partitions more than a day" not in answer.output
    write_parquet(export, [*rows(1), *early[:1], {**early[1], "cost": 200.0}, early[1]])
    answer = empty_world("catch-up", "--tenant", "field")
    assert answer.exit_code == 0, answer.output
    found = empty_world.data("field", "select sum(cost) from field.billing_cost_daily")
    assert found == [(Decimal(311),)]


def test_charges_of_an_empty_project_are_of_no_project(
    empty_world: World, bill_with_tests: None
) -> None:
    charges = [
        *rows(1),
        *(
            charge(DAY, cost, project={"id": id})
            for cost, id in ((2.0, ""), (4.0, " "), (8.0, None))
        ),
        charge(DAY, 100.0, project={"id": "proj-two"}),
    ]
    export = write_ndjson(empty_world.folder / "e.ndjson.gz", charges)
    options = ("--project", "proj-one", "--with-unallocated")
    assert loaded(empty_world, export, *options) == (4, Decimal(15))
    found = empty_world.data(
        "field", "select sum(billed_cost) from field.gcp_silver_cost where is_unallocated"
    )
    assert found == [(Decimal(14),)]


@pytest.mark.parametrize("write", [write_csv, write_parquet])
def test_a_column_with_the_name_of_our_own_is_refused(empty_world: World, write: Any) -> None:
    named = [{**row, "X_meta_file_name": "x"} for row in rows(1)]
    ending = "csv" if write is write_csv else "parquet"
    columns = {**DETAILED, "X_meta_file_name": "varchar"}
    reported = refused(empty_world, write(empty_world.folder / f"e.{ending}", named, columns))
    assert f"e.{ending} has a column x_meta_file_name" in reported and "Binder" not in reported


# -- Files that cannot be had, and paths with any characters.


def test_what_is_not_a_readable_file_is_refused_in_one_sentence(empty_world: World) -> None:
    folder = empty_world.folder
    complete = write_csv(folder / "complete.csv.gz", rows(1)).read_bytes()
    (folder / "plain.csv.gz").write_bytes(gzip.decompress(complete))
    (folder / "packed.csv").write_bytes(complete)
    (folder / "empty.parquet").touch()
    (folder / "checksum.csv.gz").write_bytes(complete[:-8] + b"\0\0\0\0" + complete[-4:])
    (folder / "short.csv.gz").write_bytes(complete[:-20])
    for export, reported in (
        ("gs://bucket/export.csv", "is not on this machine"),
        ("s3://bucket/*.parquet", "is not on this machine"),
        (folder / "plain.csv.gz", "is not compressed with gzip, but its name ends in .gz"),
        (folder / "packed.csv", "is compressed with gzip: rename it to end in .gz"),
        (folder / "empty.parquet", "is empty"),
        (folder / "checksum.csv.gz", "is damaged (incorrect data check"),
        (folder / "short.csv.gz", "is damaged"),
        (folder / "nowhere-*.csv", "was not found"),
    ):
        printed = refused(empty_world, export)
        assert reported in printed and str(export) in printed, (export, printed)
        assert len(printed.strip().splitlines()) <= 2, "that it is checked, and one sentence"


def test_a_path_that_exists_is_a_file_whatever_characters_it_has(tmp_path: Path) -> None:
    """Also a landing's, below a warehouse of such a name, but for the ? that DuckDB cannot open."""
    odd = a_world(tmp_path / "a [b]* 'ü'")
    export = write_csv(odd.folder / "x[1] 'ä'*?.csv", rows(1, 2))
    write_csv(odd.folder / "x1 'ä'--.csv", rows(100))
    odd.add("field", export, "--landing")
    odd.run("field", DAY)
    odd.add("mini", "tenant:field", "--billing-account", ACCOUNT)
    odd.run("mini", DAY)
    assert odd.bill("mini") == {date(2024, 11, 1): (2, Decimal(3), Decimal(0))}


def test_a_file_that_is_damaged_or_gone_after_onboarding_fails_the_run_with_its_name(
    empty_world: World,
) -> None:
    export = write_ndjson(empty_world.folder / "e.ndjson.gz", rows(1, 2))
    assert loaded(empty_world, export) == (2, Decimal(3))
    before, good = empty_world.rows("field"), export.read_bytes()
    export.write_bytes(good[:-8] + b"\0\0\0\0" + good[-4:])
    assert f"{export} is damaged" in fails(empty_world)
    write_ndjson(export, [*rows(1), charge(DAY, 1.0, billing_account_id=None)])
    reported = fails(empty_world)
    assert "every row of the export" in reported.lower() and "e.ndjson.gz" in reported
    other = {**charge(DAY, 5.0), "usage_start_time": None}
    write_ndjson(export, [*rows(1), other])
    assert "e.ndjson.gz" in fails(empty_world)
    export.unlink()
    assert f"The export {export} was not found" in fails(empty_world)
    answer = empty_world("catch-up", "--tenant", "field")
    assert answer.exit_code == 2 and f"The export {export} was not found" in answer.output
    assert empty_world.rows("field") == before
    export.write_bytes(good)
    empty_world.run("field", DAY)


def test_what_tests_found_is_kept_when_a_file_is_damaged_after_them(
    empty_world: World, bill_with_tests: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hooks at the end of a call ask the export once more for details of what warned."""
    export = write_parquet(empty_world.folder / "e.parquet", rows(1))
    lost = "01FFFF-000000-000000"
    empty_world.add("field", export, "--billing-account", lost, "--billing-account", ACCOUNT)
    complete = SharedWorker.run

    def run(worker: Any, job: Job, on_event: Any, *args: Any, **options: Any) -> Any:
        def follow(event: Event) -> None:
            # All that reads the export is done, but for the hooks.
            if event.kind == "started" and event.name == "gcp_silver_cost":
                export.write_bytes(b"damaged")
            on_event(event)

        return complete(worker, job, follow, *args, **options)

    monkeypatch.setattr(SharedWorker, "run", run)
    assert f"{export}' too small to be a Parquet file" in fails(empty_world)
    kept = empty_world.data(
        "field",
        "select overall_status, expectations_passed, expectations_failed"
        " from field.x_meta_dq_results where target_table = 'stg_gcp_billing__export'",
    )
    assert kept == [("WARNING", 3, 1)]
    steps = empty_world.control(
        "select status, json_array_length(warnings) from field.x_meta_step_logs"
        " where step_name = 'stg_gcp_billing__export_warnings'"
    )
    assert steps == [("COMPLETED", 1)], "the result of each test is there"


def test_a_row_without_an_account_fails_a_landing(empty_world: World) -> None:
    export = write_parquet(empty_world.folder / "e-0.parquet", rows(1))
    empty_world.add("field", empty_world.folder / "e-*.parquet", "--landing")
    write_parquet(empty_world.folder / "e-1.parquet", rows(1, billing_account_id=None))
    reported = fails(empty_world)
    assert "e-1.parquet" in reported and export.name not in reported
    assert str(empty_world.folder) not in reported, "a sample has no folder of the server"


def test_an_account_that_does_not_occur_is_a_warning_of_a_landing(
    empty_world: World, bill_with_tests: None
) -> None:
    export = write_parquet(empty_world.folder / "e.parquet", rows(1))
    options = ("--landing", "--billing-account", "01FFFF-000000-000000")
    empty_world.add("field", export, *options, "--billing-account", ACCOUNT)
    (reported,) = empty_world.run("field", DAY)["warnings"]
    assert "01FFFF-000000-000000" in reported and ACCOUNT not in reported


def test_an_account_that_does_not_occur_is_reported_at_onboarding_and_in_every_run(
    empty_world: World, bill_with_tests: None
) -> None:
    export = write_parquet(empty_world.folder / "e.parquet", rows(1))
    lost = "01FFFF-000000-000000"
    options = ("--billing-account", lost, "--billing-account", ACCOUNT)
    add = ("tenant", "add", "field", "--admin-email", EMAIL, "--export", str(export))
    answer = empty_world(*add, "--billing-account", lost)
    assert answer.exit_code == 0
    assert f"has no row of billing account {lost}." in answer.stderr
    assert f"The export has rows of {ACCOUNT}." in answer.stderr
    answer = empty_world("run", "--tenant", "field", "--date", DAY)
    assert f"The export has rows of {ACCOUNT}." in answer.stderr, answer.output
    assert "onboarding named for this tenant" in answer.output
    document = empty_world.run("field", DAY)
    assert any(lost in reported for reported in document["warnings"]), document
    assert ACCOUNT not in json.dumps(document)
    for table in ("x_meta_dq_results", "x_meta_exports"):
        kept = empty_world.data("field", f"select * from field.{table}")
        assert ACCOUNT not in str(kept)
    empty_world.add("field", export, *options)
    (reported,) = empty_world.run("field", DAY)["warnings"]
    assert lost in reported and ACCOUNT not in reported


# -- Any file of any format, hurt in any way: the sum is loaded, or the file is named.

HURTS = ("none", "cut", "joined", "renamed", "reordered", "without a header", "emptied")


def hurt(path: Path, how: str, at: float) -> None:
    """Change a text file: `at`: where, from 0 to 1."""
    packed = path.suffix == ".gz"
    text = (gzip.decompress(path.read_bytes()) if packed else path.read_bytes()).decode()
    lines = text.splitlines(keepends=True)
    if how == "cut":
        # Inside the last row and before its last value: a cut elsewhere cannot be reported.
        row = lines[-1]
        last = row.rindex(",")
        text = text[: len(text) - len(row) + 1 + int(at * (last - 2))]
    elif how == "joined":
        text += text
    elif how == "renamed":
        column = ("cost", "billing_account_id", "credits", "usage_start_time")[int(at * 3.99)]
        text = re.sub(rf'(^|[,{{" ]){column}(["\n,])', rf"\1moved_{column}\2", text)
    elif how == "without a header" and path.suffix == ".csv":
        text = "".join(lines[1:])
    elif how == "emptied":
        text = ""
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())


@settings(
    max_examples=24,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # a step takes too long to make a failure smaller
    suppress_health_check=list(HealthCheck),
)
@given(
    ending=st.sampled_from(sorted(WRITERS)),
    costs=st.lists(st.lists(st.integers(1, 999), min_size=1, max_size=3), min_size=1, max_size=3),
    how=st.sampled_from(HURTS),
    at=st.floats(0, 1),
    seed=st.randoms(use_true_random=False),
)
def test_the_sum_loaded_is_the_sum_written_or_the_file_is_named(
    dbt: Worker,
    tmp_path_factory: pytest.TempPathFactory,
    ending: str,
    costs: list[list[int]],
    how: str,
    at: float,
    seed: random.Random,
) -> None:
    folder = tmp_path_factory.mktemp("any")
    names, total = [], Decimal(0)
    for n, some in enumerate(costs):
        path = folder / f"part-{n}.{ending}"
        order = list(DETAILED)
        if how == "reordered":
            seed.shuffle(order)
        charges = [
            charge(DAY, one / 100, credits=[credit(-1.0)], labels=[{"key": "k,", "value": '"\n'}])
            for one in some
        ]
        if ending == "ndjson.gz":
            write_ndjson(path, [{name: row[name] for name in order} for row in charges])
        elif ending == "csv":
            write_csv(path, charges, order)
        else:
            lacking = "cost" if how in ("renamed", "emptied") and n == 0 else ""
            write_parquet(path, charges, {k: DETAILED[k] for k in order if k != lacking})
        names.append(path)
        total += sum(Decimal(one) for one in some) / 100
    if ending != "parquet" and how not in ("none", "reordered"):
        hurt(names[0], how, at)
    doubled = how in ("joined",) and ending == "ndjson.gz"
    reported, found = summed(dbt, folder / f"part-*.{ending}")
    if doubled:
        total += sum(Decimal(one) for one in costs[0]) / 100
    assert (found == total) if reported is None else str(names[0]) in reported, (
        reported,
        found,
        total,
    )


@pytest.fixture(scope="module")
def dbt(world: World) -> Worker:
    """The session's dbt process."""
    export = world.folder / "no_export.csv"
    export.write_text("no export")
    world("tenant", "add", "field", "--admin-email", EMAIL, "--export", str(export))
    assert SharedWorker.process is not None
    return SharedWorker.process


def summed(dbt: Worker, export: Path) -> tuple[str | None, Decimal | None]:
    """What is wrong with the export, as a run finds it, else the sum that the view has."""
    with TemporaryDirectory() as scratch:
        try:
            export_files.check([str(export)])
        except UsageProblem as problem:
            return problem.message, None
        environ = {"WAREHOUSE_DIR": scratch}
        with duckdb.connect(f"{scratch}/tenant_field.duckdb") as connection:
            connection.execute("create schema if not exists field")
            connection.execute(
                "create table field.x_meta_exports as select ? as export_ref,"
                " '[]' as billing_account_ids, '[]' as project_ids, true as has_unallocated",
                [str(export)],
            )
        view = ("run", "--select", "stg_gcp_billing__export")
        outcome = dbt.run(Job("field", view, environ=environ))
        if not outcome.success:
            return outcome.error, None
        with duckdb.connect(f"{scratch}/tenant_field.duckdb") as connection:
            (row,) = connection.execute(
                "select sum(cost) from field.stg_gcp_billing__export"
            ).fetchall()
        return None, row[0]
