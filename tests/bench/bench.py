"""What a run costs, as ratios measured side by side: `make bench`, or `bench.py one_run dates …`.

Each section takes turns between what it compares, BENCH_TIMES times (3), and prints the median CPU
time of the command and all its processes, the least wall time, and what both are of the first
line. Ten million rows and many tenants, a turn of which takes a quarter of an hour, take BENCH_LONG
turns (1). Nothing is asserted: docs/benchmarks.md has the figures, with the machine they are of.
The commit of before runs from target/88b007c, which `make bench` makes; without it it is left out.
"""

import os
import platform
import resource
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
from shop import BEFORE, FIRST, ROOT, Shop, a_shop

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from macro_sql import load_macros

TIMES = int(os.environ.get("BENCH_TIMES", "3"))
LONG = int(os.environ.get("BENCH_LONG", "1"))
HERE = Path(__file__).parent
DBT = str(Path(sys.executable).with_name("dbt"))
BUILD = ("build", "--selector", "cost_billing", "--exclude-resource-type", "unit_test")
SQLMESH = ROOT / ".venvs" / "sqlmesh" / "bin" / "python"


@dataclass(frozen=True)
class Way:
    """One of the things compared; `per`: what its seconds are divided by."""

    name: str
    call: Callable[[int], object]
    per: float = 1


def compare(title: str, *ways: Way, times: int = TIMES) -> None:
    """Take turns, then print CPU and wall time beside the first way's."""
    cpu: dict[str, list[float]] = {way.name: [] for way in ways}
    wall: dict[str, list[float]] = {way.name: [] for way in ways}
    for n in range(times):
        for way in ways:
            began, began_cpu = time.perf_counter(), _cpu_seconds()
            way.call(n)
            cpu[way.name].append((_cpu_seconds() - began_cpu) / way.per)
            wall[way.name].append((time.perf_counter() - began) / way.per)
            reported = f"  {way.name}: CPU {cpu[way.name][-1]:.2f}, wall {wall[way.name][-1]:.2f}"
            print(reported, file=sys.stderr, flush=True)
    base_cpu = statistics.median(cpu[ways[0].name])
    base_wall = min(wall[ways[0].name])
    print(f"\n### {title}\n")
    print("| | CPU seconds, median | of the first | seconds, least | of the first |")
    print("|---|---:|---:|---:|---:|")
    for way in ways:
        median, least = statistics.median(cpu[way.name]), min(wall[way.name])
        print(
            f"| {way.name} | {median:.2f} | {median / base_cpu:.3f} |"
            f" {least:.2f} | {least / base_wall:.3f} |",
            flush=True,
        )


def _cpu_seconds() -> float:
    """User and system time so far, of this process and of all that ended under it."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def shops(folder: Path) -> list[tuple[Shop, str]]:
    """An empty warehouse for this version and for the one of before, with what to call it."""
    found = [(a_shop(folder / "now"), "")]
    if BEFORE.exists():
        found.append((a_shop(folder / "before", BEFORE), f" at {BEFORE.name}"))
    return found


def day(n: int) -> str:
    """Another date each time: a bare dbt whose vars did not change parses nothing anew."""
    return f"2024-01-{n % 28 + 1:02d}"


def bare(shop: Shop, tenant: str, date: str, command: tuple[str, ...] = BUILD) -> None:
    shop.call(
        *(DBT, *command, "--vars", f"{{tenant_id: {tenant}, date: {date}}}"),
        *("--target-path", str(shop.folder / "bare"), "--log-path", str(shop.folder / "bare")),
    )


def run_once(shop: Shop, tenant: str, date: Callable[[int], str]) -> Callable[[int], object]:
    return lambda n: shop.runner("run", "--tenant", tenant, "--date", date(n))


def raw(shop: Shop, tenant: str, date: str) -> Callable[[int], object]:
    """The statements of a run, recorded now, to be sent again without dbt."""
    script = (sys.executable, str(shop.root / "tests" / "bench" / "raw_sql.py"), str(shop.folder))
    shop.call(*script, "record", tenant, date)
    return lambda n: shop.call(*script, "replay", tenant)


def one_run(folder: Path) -> None:
    """(a): one tenant and date, all models and tests, whoever does it."""
    ways = []
    for shop, when in shops(folder):
        for tenant in ("acme", "bare"):
            shop.add(tenant, shop.export(60_000, days=28, name=tenant))
            shop.runner("run", "--tenant", tenant, "--date", day(0))
        if not when:
            ways.append(Way("bare dbt: `dbt build`", lambda n, at=shop: bare(at, "bare", day(n))))
        ways += [
            Way(f"`runner run`{when}", run_once(shop, "acme", day)),
            Way(f"its statements in raw DuckDB{when}", raw(shop, "bare", day(1))),
        ]
    for way in ways:
        way.call(TIMES)  # on a date of no turn: bare dbt parses anew in each of them
    compare("One tenant, one date: all models and tests, 2,100 rows of 60,000", *ways)


def peers(folder: Path) -> None:
    """(e): one date extracted, without silver, marts and tests, by whoever there is."""
    shop = a_shop(folder)
    export = shop.export(60_000, days=28)
    shop.add("bare", export)
    shop.runner("run", "--tenant", "bare", "--date", day(0))

    one = ("run", "--select", "billing_cost_daily")
    by_row = (sys.executable, str(HERE / "row_by_row.py"), str(export))
    ways = [
        Way("bare dbt, that model", lambda n: bare(shop, "bare", day(n), one)),
        Way("rows one by one in Python", lambda n: shop.call(*by_row, day(n))),
    ]
    if SQLMESH.exists():
        project = str(shop.folder / "sqlmesh")
        peer = (sys.executable, str(HERE / "sqlmesh_peer.py"), project)
        shop.call(*peer, "make", str(export))
        ways.append(Way("SQLMesh, that model", lambda n: shop.call(*peer, "again", day(n))))
    for way in ways:
        way.call(TIMES)  # on a date of no turn: bare dbt parses anew in each of them
    compare("One date extracted, nothing else", *ways)


def dates(folder: Path) -> None:
    """(b): what further dates of a range cost."""
    ends = {1: FIRST, 7: "2024-01-07", 30: "2024-01-30", 365: "2024-12-30"}
    for shop, when in shops(folder):
        shop.add("acme", shop.export(365_000, days=365))

        def load(last: str, at: Shop = shop) -> Callable[[int], object]:
            return lambda n: at.runner("run", "--tenant", "acme", "--from", FIRST, "--to", last)

        for last in (FIRST, ends[365]):
            load(last)(0)
        compare(
            f"Dates in one run, 1,000 rows each{when}",
            *(Way(f"{count} dates", load(last)) for count, last in ends.items()),
        )


def tenants(folder: Path) -> None:
    """(c): all tenants of one export, one command."""
    counts = [int(count) for count in os.environ.get("BENCH_TENANTS", "20 50 200").split()]
    ways = []
    for shop, when in shops(folder):
        # The version of before is measured on the smallest number alone: the tenants are equal.
        here = counts if not when else counts[:1]
        export = shop.export(1_000 * max(here), tenants=max(here))
        names = [f"tenant_{n:03d}" for n in range(max(here))]
        many = (sys.executable, str(shop.root / "tests" / "bench" / "many_tenants.py"))
        shop.call(*many, "add", str(export), *names)

        def all_of_them(
            count: int, workers: int, at: Shop = shop, many: tuple[str, ...] = many
        ) -> Callable[[int], object]:
            def call(n: int) -> object:
                at.call(*many, "leave", str(count))
                at_once = ("--all-tenants", "--workers", str(workers))
                return at.runner("run", *at_once, "--date", FIRST)

            return call

        # The first run of a tenant also makes its tables.
        all_of_them(max(here), 2)(0)
        if not when:
            bare(shop, names[0], FIRST)
            one = lambda n, at=shop, name=names[0]: bare(at, name, day(n))  # noqa: E731
            ways.append(Way("bare dbt, one tenant", one))
        ways += [
            Way(f"{count} tenants, {workers} workers{when}", all_of_them(count, workers), count)
            for count in here
            for workers in ((1, 2) if count < 200 else (2,))
        ]
    compare("Tenants by one command, seconds a tenant", *ways, times=LONG)


def rows(folder: Path) -> None:
    """(d): a date in exports of growing size; all rows are of the date."""
    counts = os.environ.get("BENCH_ROWS", "100000 1000000 10000000").split()
    for count in map(int, counts):
        ways = []
        for shop, when in shops(folder / str(count)):
            for tenant in ("acme", "bare"):
                shop.add(tenant, shop.export(count, name=tenant))
                shop.runner("run", "--tenant", tenant, "--date", FIRST)
            ways += [
                Way(f"the statements in raw DuckDB{when}", raw(shop, "bare", FIRST)),
                Way(f"`runner run`{when}", run_once(shop, "acme", lambda n: FIRST)),
            ]
            if not when:
                ways.append(Way("bare dbt", lambda n, at=shop: bare(at, "bare", FIRST)))
        times = TIMES if count < 10_000_000 else LONG
        compare(f"{count:,} rows of one date", *ways, times=times)
        shutil.rmtree(folder / str(count))


def memory(folder: Path) -> None:
    """(f): the largest process of a command, by GNU time's measure."""
    print("\n### Memory of the largest process\n\n| | MB |\n|---|---:|")
    for shop, when in shops(folder):
        export = shop.export(365_000, days=365, tenants=8)
        for n in range(8):
            shop.add(f"tenant_{n}", export, account=n)
        year = ("--tenant", "tenant_0", "--from", FIRST, "--to", "2024-12-30")
        for name, args in (
            ("1 tenant, 1 date", ("--tenant", "tenant_0", "--date", FIRST)),
            ("1 tenant, 365 dates", year),
            ("8 tenants, 1 date, 1 worker", ("--all-tenants", "--date", FIRST, "--workers", "1")),
        ):
            command = (sys.executable, "-m", "runner", "run", *args)
            found = []
            for _ in range(TIMES):
                done = shop.call(sys.executable, str(HERE / "peak.py"), *command)
                found.append(int(done.stdout.splitlines()[-1]))
            print(f"| {name}{when} | {statistics.median(found):.0f} |", flush=True)


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
            # It takes minutes: a hundredth of the rows shows it.
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
    "tenants": tenants,
    "rows": rows,
}


def main() -> None:
    wanted = sys.argv[1:] or list(SECTIONS)
    if unknown := set(wanted) - set(SECTIONS):
        sys.exit(f"There is no section {', '.join(unknown)}: use {', '.join(SECTIONS)}.")
    print(
        f"{os.cpu_count()} cores, Python {platform.python_version()}, load before:"
        f" {os.getloadavg()[0]:.1f}; {TIMES} turns, {LONG} of what takes long"
    )
    for name in wanted:
        with tempfile.TemporaryDirectory(prefix=f"bench-{name}-") as folder:
            SECTIONS[name](Path(folder))


if __name__ == "__main__":
    main()
