"""What a run costs, as ratios measured side by side: `make bench`, or `bench.py one_run dates …`.

Each section takes turns between what it compares, BENCH_TIMES times (5), and prints medians, what
they are of the first line, and the memory that the largest process had. Nothing is asserted: the
figures stand in docs/benchmarks.md with the machine they are of.
"""

import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb
from shop import FIRST, ROOT, Shop, a_shop

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from macro_sql import load_macros

TIMES = int(os.environ.get("BENCH_TIMES", "5"))
HERE = Path(__file__).parent
BUILD = ("build", "--selector", "cost_billing", "--exclude-resource-type", "unit_test")
SQLMESH = ROOT / ".venvs" / "sqlmesh" / "bin" / "python"


@dataclass(frozen=True)
class Way:
    """One of the things compared; `per`: what its seconds are divided by."""

    name: str
    call: Callable[[int], object]
    per: float = 1


def compare(title: str, *ways: Way, times: int = TIMES) -> None:
    """Take turns, then print the medians beside the first way's."""
    seconds: dict[str, list[float]] = {way.name: [] for way in ways}
    for n in range(times):
        for way in ways:
            began = time.perf_counter()
            way.call(n)
            seconds[way.name].append((time.perf_counter() - began) / way.per)
            print(f"  {way.name}: {seconds[way.name][-1]:.2f}", file=sys.stderr, flush=True)
    base = statistics.median(seconds[ways[0].name])
    print(
        f"\n### {title}\n\n| | seconds | of the first | least | most |\n|---|---:|---:|---:|---:|"
    )
    for way in ways:
        found = seconds[way.name]
        median = statistics.median(found)
        print(
            f"| {way.name} | {median:.2f} | {median / base:.2f} |"
            f" {min(found):.2f} | {max(found):.2f} |",
            flush=True,
        )


def day(n: int) -> str:
    """Another date each time: a bare dbt whose vars did not change parses nothing anew."""
    return f"2024-01-{n % 28 + 1:02d}"


def bare(
    shop: Shop, dbt: str, tenant: str, date: str, name: str, command: tuple[str, ...] = BUILD
) -> None:
    shop.call(
        *(dbt, *command, "--vars", f"{{tenant_id: {tenant}, date: {date}}}"),
        *("--target-path", str(shop.folder / name), "--log-path", str(shop.folder / name)),
    )


def one_run(folder: Path) -> None:
    """(a): one tenant and date, all models and tests, whoever does it."""
    shop = a_shop(folder)
    export = shop.export(60_000, days=28)
    shop.add("acme", export)
    shop.add("bare", shop.export(60_000, days=28, name="another"))
    dbt = str(Path(sys.executable).with_name("dbt"))
    raw = [sys.executable, str(HERE / "raw_sql.py"), str(shop.folder)]
    shop.runner("run", "--tenant", "bare", "--date", day(0))
    shop.call(*raw, "record", "bare", day(1))
    ways = [
        Way("bare dbt: `dbt build`", lambda n: bare(shop, dbt, "bare", day(n), "core")),
        Way("`runner run`", lambda n: shop.runner("run", "--tenant", "acme", "--date", day(n))),
        Way(
            "the same statements in raw DuckDB", lambda n: shop.call(*raw, "replay", "bare", day(1))
        ),
    ]
    for way in ways:
        way.call(0)
    compare("One tenant, one date: 25 marts, all tests", *ways)


def peers(folder: Path) -> None:
    """(e): one date extracted, without silver, marts and tests, by whoever there is."""
    shop = a_shop(folder)
    export = shop.export(60_000, days=28)
    shop.add("bare", export)
    shop.runner("run", "--tenant", "bare", "--date", day(0))

    def model(dbt: str, name: str) -> Callable[[int], object]:
        one = ("run", "--select", "billing_cost_daily")
        return lambda n: bare(shop, dbt, "bare", day(n), name, one)

    by_row = (sys.executable, str(HERE / "row_by_row.py"), str(export))
    ways = [
        Way("bare dbt, that model", model(str(Path(sys.executable).with_name("dbt")), "core")),
        Way("rows one by one in Python", lambda n: shop.call(*by_row, day(n))),
    ]
    if SQLMESH.exists():
        project = str(shop.folder / "sqlmesh")
        peer = (sys.executable, str(HERE / "sqlmesh_peer.py"), project)
        shop.call(*peer, "make", str(export))
        ways.append(Way("SQLMesh, that model", lambda n: shop.call(*peer, "again", day(n))))
    for way in ways:
        way.call(0)
    compare("One date extracted, nothing else", *ways)


def dates(folder: Path) -> None:
    """(b): what further dates of a range cost."""
    shop = a_shop(folder)
    shop.add("acme", shop.export(365_000, days=365))

    def load(last: str) -> Callable[[int], object]:
        return lambda n: shop.runner("run", "--tenant", "acme", "--from", FIRST, "--to", last)

    load(FIRST)(0)
    compare(
        "Dates in one run, 1,000 rows each",
        Way("1 date", load(FIRST)),
        Way("7 dates", load("2024-01-07")),
        Way("30 dates", load("2024-01-30")),
        Way("365 dates", load("2024-12-30")),
    )


def tenants(folder: Path) -> None:
    """(c): all tenants of one export, one command. Many tenants are their own repetition."""
    counts = [int(count) for count in os.environ.get("BENCH_TENANTS", "1 10 50").split()]
    shop = a_shop(folder)
    export = shop.export(1_000 * max(counts), tenants=max(counts))
    names = [f"tenant_{n:03d}" for n in range(max(counts))]
    many = (sys.executable, str(HERE / "many_tenants.py"))
    shop.call(*many, "add", str(export), *names, PYTHONPATH=str(ROOT))
    dbt = str(Path(sys.executable).with_name("dbt"))
    bare(shop, dbt, names[0], FIRST, "core")

    def all_of_them(count: int, workers: int) -> Callable[[int], object]:
        def call(n: int) -> object:
            shop.call(*many, "leave", str(count), PYTHONPATH=str(ROOT))
            at_once = ("--all-tenants", "--workers", str(workers))
            return shop.runner("run", *at_once, "--date", FIRST)

        return call

    compare(
        "Tenants by one command, seconds a tenant",
        Way("bare dbt, one tenant", lambda n: bare(shop, dbt, names[0], day(n), "core")),
        *(
            Way(f"{count} tenants, {workers} workers", all_of_them(count, workers), per=count)
            for count in counts
            for workers in (1, 2)
        ),
        times=int(os.environ.get("BENCH_TIMES", "1")),
    )


def rows(folder: Path) -> None:
    """(d): a date in exports of growing size; all rows are of the date."""
    counts = os.environ.get("BENCH_ROWS", "100000 1000000 10000000").split()
    for count in map(int, counts):
        shop = a_shop(folder / str(count))
        _rows(shop, count)
        shutil.rmtree(shop.folder)


def _rows(shop: Shop, count: int) -> None:
    for tenant in ("acme", "bare"):
        shop.add(tenant, shop.export(count, name=tenant))
        shop.runner("run", "--tenant", tenant, "--date", FIRST)
    dbt = str(Path(sys.executable).with_name("dbt"))
    raw = (sys.executable, str(HERE / "raw_sql.py"), str(shop.folder))
    shop.call(*raw, "record", "bare", FIRST)
    compare(
        f"{count:,} rows of one date",
        Way(
            "the same statements in raw DuckDB", lambda n: shop.call(*raw, "replay", "bare", FIRST)
        ),
        Way(
            "`runner run`",
            lambda n: shop.runner("run", "--tenant", "acme", "--date", FIRST),
        ),
        Way("bare dbt", lambda n: bare(shop, dbt, "bare", FIRST, "core")),
        times=TIMES if count < 10_000_000 else min(TIMES, 3),
    )


def memory(folder: Path) -> None:
    """(f): the largest process of a command, by GNU time's measure."""
    shop = a_shop(folder)
    export = shop.export(365_000, days=365, tenants=8)
    for n in range(8):
        shop.add(f"tenant_{n}", export, account=n)
    print("\n### Memory of the largest process\n\n| | MB |\n|---|---:|")
    for name, args in (
        ("1 tenant, 1 date", ("--tenant", "tenant_0", "--date", FIRST)),
        ("1 tenant, 365 dates", ("--tenant", "tenant_0", "--from", FIRST, "--to", "2024-12-30")),
        ("8 tenants, 1 date, 1 worker", ("--all-tenants", "--date", FIRST, "--workers", "1")),
    ):
        found = []
        for _ in range(3):
            done = shop.call(
                *(
                    sys.executable,
                    str(HERE / "peak.py"),
                    sys.executable,
                    "-m",
                    "runner",
                    "run",
                    *args,
                )
            )
            found.append(int(done.stdout.splitlines()[-1]))
        print(f"| {name} | {statistics.median(found):.0f} |", flush=True)


def start_up(folder: Path) -> None:
    """(g): commands that do not run dbt."""
    shop = a_shop(folder)
    shop.add("acme", shop.export(1_000))

    def quiet(*args: str) -> Callable[[int], object]:
        return lambda n: subprocess.run(
            [sys.executable, "-m", "runner", *args], env=shop.environ, capture_output=True, cwd=ROOT
        )

    compare(
        "Commands without dbt",
        Way(
            "python -c pass",
            lambda n: subprocess.run([sys.executable, "-c", "pass"], env=shop.environ),
        ),
        Way("runner --help", quiet("--help")),
        Way(
            "runner run --date 2024-13-01 (refused)",
            quiet("run", "--tenant", "acme", "--date", "x"),
        ),
        Way("runner runs", quiet("runs", "--tenant", "acme")),
        times=max(TIMES, 10),
    )


def money(folder: Path) -> None:
    """(h): floats made money; amounts of up to a hundred, then of up to a billion."""
    macros = load_macros()
    duck = duckdb.connect(str(folder / "money.duckdb"))
    duck.execute(
        "create table floats as select x, x * 1e7 as y, x::decimal(38, 9) as amount"
        " from (select random() * power(10, random() * 8 - 6) as x from range(2_000_000))"
    )

    by_text = macros.money("printf('%.40f', {x})")

    def largest(sql: str, limit: str = "") -> Callable[[int], object]:
        statement = f"select max({sql}) from (from floats {limit})"
        return lambda n: duck.execute(statement).fetchall()

    for title, x in (("up to a hundred", "x"), ("up to a billion", "y")):
        compare(
            f"2 million floats made money, {title}",
            Way("DuckDB's cast, not exact", largest(macros.money(x))),
            Way("numeric_of_float", largest(macros.numeric_of_float(x))),
            # It takes minutes: a hundredth of the rows tells it.
            Way("by text, 40 decimals", largest(by_text.format(x=x), "limit 20_000"), per=0.01),
        )
    compare(
        "2 million amounts divided by a rate",
        Way("in floating point, not exact", largest(macros.money("amount / 1380.5::double"))),
        Way("in_usd", largest(macros.in_usd("amount", "(1380.5 + 0 * x)"))),
    )


SECTIONS = {
    "start_up": start_up,
    "money": money,
    "one_run": one_run,
    "peers": peers,
    "dates": dates,
    "memory": memory,
    "rows": rows,
    "tenants": tenants,
}


def main() -> None:
    wanted = sys.argv[1:] or list(SECTIONS)
    if unknown := set(wanted) - set(SECTIONS):
        sys.exit(f"There is no section {', '.join(unknown)}: use {', '.join(SECTIONS)}.")
    print(
        f"{os.cpu_count()} cores, Python {platform.python_version()}, load before:"
        f" {os.getloadavg()[0]:.1f}; medians of {TIMES}"
    )
    for name in wanted:
        with tempfile.TemporaryDirectory(prefix=f"bench-{name}-") as folder:
            SECTIONS[name](Path(folder))


if __name__ == "__main__":
    main()
