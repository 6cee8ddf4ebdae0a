"""How fast the service answers: `python tests/bench/api_load.py [posts at once] [requests]`.

The service is real, in a process of its own, on a control file of ten tenants; dbt is replaced by
one that waits, so that the figures are the service's. Then all runs end, each once.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), *(str(ROOT / "tests" / name) for name in (".", "api"))]

from control_file import Control, write_control_file  # noqa: E402
from serving import ADMIN_KEY, FakeDbt, write_tenant_file  # noqa: E402
from support import environment_in  # noqa: E402

from runner.control import keys  # noqa: E402

# One writer a tenant: as many tenants as are to run at once.
TENANTS = tuple(f"t{n}" for n in range(10))
ACTIVE = " + ".join(
    f"(select count(*) from `{tenant}.x_meta_pipeline_runs` where status in ('PENDING', 'RUNNING'))"
    for tenant in TENANTS
)
ADMIN = {"X-API-Key": ADMIN_KEY, "Content-Type": "application/json"}


def serve(folder: Path) -> None:
    """The service, with its dbt replaced; reports its port on stderr as ever."""
    from runner import settings
    from runner.api import server
    from runner.engine import pool

    pool.Worker = FakeDbt
    FakeDbt.reset()

    def during(job: Any, tick: object) -> None:
        with (folder / "jobs").open("a") as file:
            file.write(job.vars["pipeline_logging_id"] + "\n")
        while not (folder / "go").exists():
            time.sleep(0.1)

    FakeDbt.during = staticmethod(during)
    config = settings.load(str(ROOT), None)
    server.serve(config, "127.0.0.1", 0, len(TENANTS), 1, lambda text: print(text, flush=True))


def percentiles(times: list[float]) -> str:
    ordered = sorted(times)
    cuts = {
        name: ordered[min(int(len(ordered) * part), len(ordered) - 1)]
        for name, part in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
    }
    return ", ".join(f"{name} {seconds * 1000:.0f} ms" for name, seconds in cuts.items())


def main(at_once: int, requests: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="load-"))
    environ = environment_in(folder)
    (folder / "warehouse").mkdir()
    write_control_file(folder / "warehouse" / "control.db", TENANTS)
    control = Control(folder, environ)
    for tenant in TENANTS:
        write_tenant_file(folder / "warehouse" / f"tenant_{tenant}.duckdb", tenant)
        control.subscribe(tenant, daily_limit=10**6, monthly_limit=10**7, concurrent_limit=10**6)
    environ |= {
        keys.ADMIN_HASH: keys.hash_of(ADMIN_KEY),
        "RUNNER_RATE_LIMIT": "0",
        "PYTHONPATH": str(ROOT),
    }
    process = subprocess.Popen(
        [sys.executable, __file__, "serve", str(folder)],
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    port = int(process.stdout.readline().split("127.0.0.1:")[1].split(";")[0])
    local = threading.local()

    def call(method: str, path: str, body: object = None) -> tuple[int, float, dict[str, object]]:
        if not hasattr(local, "line"):
            local.line = HTTPConnection("127.0.0.1", port, timeout=120)
        began = time.perf_counter()
        try:
            local.line.request(method, path, json.dumps(body) if body else None, ADMIN)
            answer = local.line.getresponse()
        except (ConnectionError, HTTPException):  # it had been idle for long
            del local.line
            return call(method, path, body)
        reported = json.loads(answer.read() or b"{}")
        return answer.status, time.perf_counter() - began, reported

    def post(n: int) -> tuple[int, float, dict[str, object]]:
        path = f"/api/v1/pipelines/run/{TENANTS[n % len(TENANTS)]}/gcp/cost/cost_billing"
        return call("POST", path, {"date": (date(2001, 1, 1) + timedelta(days=n)).isoformat()})

    def cpu() -> float:
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    try:
        while call("GET", "/health")[0] != 200:
            time.sleep(0.1)
        post(0)
        print(f"load of the machine {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
        alone = [post(n) for n in range(1, 21)]
        print(f"POST, one at a time: {percentiles([took for _, took, _ in alone])}")
        for name, start in (("one burst", 21), ("each ten times", 21 + at_once)):
            count = at_once if name == "one burst" else at_once * 10
            before = cpu()
            with ThreadPoolExecutor(at_once) as threads:
                answers = list(threads.map(post, range(start, start + count)))
            spent = (cpu() - before) / count * 1000
            assert all(status == 202 for status, _, _ in answers), Counter(a[0] for a in answers)
            print(
                f"POST, {at_once} at once, {name}: {percentiles([t for _, t, _ in answers])};"
                f" {spent:.0f} ms of CPU each"
            )
        paths = ["/api/v1/pipelines/runs?limit=5&tenant_id=t0", "/api/v1/tenants/t1/quota"]
        with ThreadPoolExecutor(at_once) as threads:
            began = time.perf_counter()
            gets = list(threads.map(lambda n: call("GET", paths[n % 2]), range(requests)))
            took = time.perf_counter() - began
        print(
            f"{requests} GETs, {at_once} at once: {percentiles([t for _, t, _ in gets])};"
            f" {requests / took:.0f} a second; {dict(Counter(status for status, _, _ in gets))}"
        )
        health = call("GET", "/health")[2]
        print(f"at work {health['runs_active']}, waiting {health['queue_length']}: dbt may go")
        (folder / "go").touch()
        began, before = time.perf_counter(), cpu()
        while (left := control.context.store.read(f"select {ACTIVE} as n")[0]["n"]) > 0:
            assert time.perf_counter() - began < 400, f"{left} are left"
            time.sleep(1)
        spent = (cpu() - before) / (at_once * 11 + 21) * 1000
        print(f"all ended in {time.perf_counter() - began:.0f} s; {spent:.0f} ms of CPU each")
    finally:
        process.terminate()
        process.wait(60)
    ended = Counter(status for tenant in TENANTS for status, _ in control.runs(tenant))
    asked = (folder / "jobs").read_text().split()
    print(f"{dict(ended)}; dbt was asked {len(asked)} times, for {len(set(asked))} runs")


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(Path(sys.argv[2]))
    else:
        main(int((sys.argv[1:] or ["10"])[0]), int((sys.argv[2:] or ["1000"])[0]))
