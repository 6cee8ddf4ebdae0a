"""A warehouse that is busy or not there: who asks for it holds up nobody else."""

import time
from concurrent.futures import ThreadPoolExecutor

from serving import RUNS, Scene
from test_warehouse import held


def test_costs_of_a_tenant_that_loads_hold_up_nobody_else(scene: Scene) -> None:
    """Sixty calls for data that a run has to itself, and one for something else."""
    scene.control.add_run()
    assert scene.get("/api/v1/tenants/acme/costs").status_code == 200
    with held(scene.control.path.parent / "tenant_acme.duckdb", 60), ThreadPoolExecutor(60) as many:
        began = time.monotonic()
        asked = [many.submit(scene.get, "/api/v1/tenants/acme/costs") for _ in range(60)]
        time.sleep(0.2)
        assert scene.get(RUNS).status_code == 200
        assert time.monotonic() - began < 8
        answers = [one.result() for one in asked]
    assert {answer.status_code for answer in answers} == {503}
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in answers)
    assert "duckdb" not in answers[0].text, "no inner path"
    assert scene.get("/api/v1/tenants/acme/costs").status_code == 200
