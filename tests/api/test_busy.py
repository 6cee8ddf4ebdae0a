"""A warehouse that is busy or missing: calls that wait for it hold up no others."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from processes import held
from serving import ADMIN_KEY, DAY, RUN, RUNS, Scene

from runner import sql
from runner.api import errors, service
from runner.control.sqlite import SqliteStore


def test_costs_of_a_tenant_that_loads_hold_up_no_other_call(scene: Scene) -> None:
    """Sixty calls for data that a run has to itself, and one for something else."""
    scene.control.add_run()
    assert scene.get("/api/v1/tenants/acme/costs").status_code == 200
    with held(scene.control.path.parent / "tenant_acme.duckdb", 60), ThreadPoolExecutor(60) as many:
        asked = [many.submit(scene.get, "/api/v1/tenants/acme/costs") for _ in range(60)]
        time.sleep(0.2)
        assert scene.get(RUNS).status_code == 200
        answers = [one.result() for one in asked]
    assert {answer.status_code for answer in answers} == {503}
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in answers)
    assert "duckdb" not in answers[0].text, "no inner path"
    assert scene.get("/api/v1/tenants/acme/costs").status_code == 200


def test_health_is_asked_once_and_answered_to_all(scene: Scene, monkeypatch) -> None:
    assert scene.client.get("/health").status_code == 200
    scene.app.state.service.health._next_check = 0.0
    read, asked, go = SqliteStore.read, [], threading.Event()

    def slow(self: SqliteStore, statement: str, **values: Any) -> Any:
        if statement == sql.PROBE:
            asked.append(self.patience_seconds)
            go.wait(30)
        return read(self, statement, **values)

    monkeypatch.setattr(SqliteStore, "read", slow)
    with ThreadPoolExecutor(1) as one:
        first = one.submit(scene.client.get, "/health")
        while not asked:
            time.sleep(0.01)
        began = time.monotonic()
        for _ in range(10):
            assert scene.client.get("/health").json()["warehouse"] == "reachable"
        assert scene.client.get("/health/live").json()["status"] == "ok"
        assert time.monotonic() - began < 5 and not first.done()
        go.set()
        assert first.result().status_code == 200
    assert len(asked) == 1 and asked[0] <= 1
    for path in ("/health", "/health/live"):
        assert scene.client.head(path).status_code == 200


def test_a_check_that_hangs_is_the_only_one(scene: Scene, monkeypatch) -> None:
    """Or each would leave a thread and a connection behind."""
    assert scene.client.get("/health").status_code == 200
    monkeypatch.setattr(service, "HEALTH_SECONDS", 0.0)
    monkeypatch.setattr(service, "HEALTH_TIMEOUT_SECONDS", 0.1)
    scene.app.state.service.health._next_check = 0.0
    read, asked, go = SqliteStore.read, [], threading.Event()

    def hangs(self: SqliteStore, statement: str, **values: Any) -> Any:
        if statement == sql.PROBE:
            asked.append(statement)
            go.wait(30)
        return read(self, statement, **values)

    monkeypatch.setattr(SqliteStore, "read", hangs)
    try:
        for _ in range(5):
            assert scene.client.get("/health").status_code == 503
        assert len(asked) == 1
    finally:
        go.set()
    monkeypatch.setattr(service, "HEALTH_TIMEOUT_SECONDS", 20.0)
    deadline = time.monotonic() + 20
    while scene.client.get("/health").status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert len(asked) == 2, "checked again once the first has ended"


def test_a_warehouse_that_was_never_made_is_503_and_names_no_folder(control, dbt) -> None:
    scene = Scene(control, dbt)
    control.path.unlink()
    with scene:
        for answer in (
            scene.get(RUNS, ADMIN_KEY),
            scene.get(RUNS),
            scene.post(RUN, DAY, ADMIN_KEY),
            scene.get("/api/v1/tenants/acme/quota", ADMIN_KEY),
        ):
            assert answer.status_code == 503, answer.text
            assert "runner init" in answer.json()["message"] and answer.headers["Retry-After"]
        assert str(control.folder) not in scene.get(RUNS).text
        assert scene.client.get("/health").status_code == 503
        assert scene.client.get("/health/live").status_code == 200


def test_a_tenant_reads_no_folder_and_no_process_of_the_server(scene: Scene) -> None:
    assert errors.plain("/srv/a (b's), x;y/e-1.csv has a cut in line 3") == (
        "e-1.csv has a cut in line 3"
    )
    run_id = scene.control.add_run("FAILED")
    scene.control.sql(
        "update acme.x_meta_pipeline_runs set error_message = ?",
        "/srv/a b/x/tenant_acme.duckdb is held by process 4711; see /openapi.json and"
        " https://x.example/a/b, models/marts/x.sql.",
    )
    result = scene.get(f"{RUNS}/{run_id}").json()
    for text in (result["error_message"], result["message"]):
        assert "4711" not in text and "/srv" not in text and "tenant_acme.duckdb" in text
        assert "https://x.example/a/b, models/marts/x.sql" in text and "/openapi.json" in text
    scene.control.sql(
        "insert into tenants.tenant_usage_events by name select 'e' as event_id,"
        " 'acme' as tenant_id, '2024-11-01' as usage_date, ? as pipeline_logging_id",
        run_id,
    )
    assert "4711" in scene.get(f"{RUNS}/{run_id}", ADMIN_KEY).json()["error_message"]
