"""How fast the service answers: `python tests/bench/api_load.py [posts at once] [requests]`.

The service is real, in a process of its own, on a control file of two tenants; dbt is replaced by
one that has nothing to do, so that the figures are the service's.
"""

import hashlib
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
from http.client import HTTPConnection
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), *(str(ROOT / "tests" / name) for name in (".", "runner", "api"))]

from control_file import TENANTS, Control, write_control_file  # noqa: E402
from serving import ADMIN_KEY, FakeDbt, write_tenant_file  # noqa: E402
from support import environment_in  # noqa: E402

WAITING = " + ".join(
    f"(select count(*) from {tenant}.x_meta_pipeline_runs where status in ('PENDING', 'RUNNING'))"
    for tenant in TENANTS
)
ADMIN = {"X-API-Key": ADMIN_KEY, "Content-Type": "application/json"}


def serve(folder: Path) -> None:
    """The service, with its dbt replaced; says its port on stderr as ever."""
    from runner import pool, settings
    from runner.api import server

    pool.Worker = FakeDbt
    FakeDbt.reset()
    FakeDbt.during = staticmethod(lambda job, tick: time.sleep(3))
    config = settings.load(str(ROOT), None)
    server.serve(config, "127.0.0.1", 0, 2, 1, lambda text: print(text, flush=True))


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
    write_control_file(folder / "warehouse" / "control.duckdb")
    for tenant in TENANTS:
        write_tenant_file(folder / "warehouse" / f"tenant_{tenant}.duckdb", tenant)
        Control(folder, environ).subscribe(
            tenant, daily_limit=10**6, monthly_limit=10**7, concurrent_limit=10**6
        )
    environ |= {
        "RUNNER_ADMIN_KEY_SHA256": hashlib.sha256(ADMIN_KEY.encode()).hexdigest(),
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
        local.line.request(method, path, json.dumps(body) if body else None, ADMIN)
        answer = local.line.getresponse()
        told = json.loads(answer.read() or b"{}")
        return answer.status, time.perf_counter() - began, told

    def post(n: int) -> tuple[int, float, dict[str, object]]:
        path = f"/api/v1/pipelines/run/{TENANTS[n % 2]}/gcp/cost/cost_billing"
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
                f" {spent:.0f} ms of CPU each, runs included"
            )
        paths = ["/api/v1/pipelines/runs?limit=5", "/api/v1/tenants/acme/quota", "/health"]
        with ThreadPoolExecutor(at_once) as threads:
            began = time.perf_counter()
            gets = list(threads.map(lambda n: call("GET", paths[n % 3]), range(requests)))
            took = time.perf_counter() - began
        print(
            f"{requests} GETs, {at_once} at once: {percentiles([t for _, t, _ in gets])};"
            f" {requests / took:.0f} a second; {dict(Counter(status for status, _, _ in gets))}"
        )
        return
        while Control(folder, environ).warehouse.read(f"select {WAITING} as n")[0]["n"] > 0:
            assert time.monotonic() < deadline
            time.sleep(2)
    finally:
        process.terminate()
        process.wait(60)
    for tenant in TENANTS:
        print(tenant, Counter(status for status, _ in Control(folder, environ).runs(tenant)))


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(Path(sys.argv[2]))
    else:
        main(int((sys.argv[1:] or ["10"])[0]), int((sys.argv[2:] or ["1000"])[0]))
