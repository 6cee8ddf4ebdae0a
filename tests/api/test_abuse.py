"""What should never come: bombs, floods, injections, mistakes of ours. 4xx, and nothing changes."""

import contextlib
import json
import re
from typing import Any

import pytest
from serving import ADMIN_KEY, DAY, RUN, RUNS, Scene

from runner.api import middleware
from runner.control import claim

STRINGS = (
    "'; drop table tenants.tenant_profiles; --",
    '" or 1=1 --',
    "${jndi:ldap://127.0.0.1/x}",
    "{{ 7*7 }}",
    "../../etc/passwd",
    "<script>alert(1)</script>",
    "acme`.x_meta_pipeline_runs; --",
    "%00",
    "\u202egnp.exe",
    "a\r\nX-Injected: 1",
    "0" * 5000,
)


# What a call of schemathesis' has that ours takes.
SENT = ("method", "url", "params", "headers", "json", "content", "data")


def everything(scene: Scene) -> str:
    """All control tables, as text, but for what reading changes."""
    tables = scene.control.sql("select name from sqlite_master where type = 'table' order by 1")
    return json.dumps(
        [
            [name, scene.control.sql(f"select * from {name}")]
            for (name,) in tables
            if not name.endswith("_api_keys")
        ],
        default=str,
    )


def test_injections_in_every_field_are_refused_and_change_nothing(scene: Scene) -> None:
    before = everything(scene)
    tried = 0
    quoted = [text.replace("\r", "%0d").replace("\n", "%0a") for text in STRINGS]
    for text, path in zip(STRINGS, quoted, strict=True):
        answers = [
            *(scene.post(RUN, {**DAY, name: text}) for name in ("date", "from_date", "tenant_id")),
            *(scene.post(f"/api/v1/pipelines/run/{p}", DAY) for p in (path, f"acme{path}")),
            scene.post(f"/api/v1/pipelines/run/{path}/gcp/cost/cost_billing", DAY),
            scene.post(f"/api/v1/pipelines/run/acme/{path}/cost/cost_billing", DAY),
            scene.post(f"/api/v1/pipelines/run/acme/gcp/cost/{path}", DAY),
            scene.get(f"{RUNS}/{path}"),
            scene.get(f"{RUNS}/{path}/steps"),
            scene.post(f"{RUNS}/{path}/cancel"),
            scene.get(f"/api/v1/tenants/{path}/quota"),
            scene.get(f"/api/v1/tenants/{path}/costs", ADMIN_KEY),
            scene.get(f"/api/v1/tenants/{path}/credentials", ADMIN_KEY),
            *(
                scene.client.put(
                    f"/api/v1/tenants/{tenant}/credentials",
                    json={"impersonate": account},
                    headers={"X-API-Key": ADMIN_KEY},
                )
                for tenant, account in (("acme", text), (path, "a-name@a-project.example"))
            ),
            scene.get("/api/v1/tenants/acme/costs", from_date=text),
            scene.get(RUNS, tenant_id=text),
            scene.get(RUNS, ADMIN_KEY, tenant_id=text),
            scene.get(RUNS, status=text),
            scene.get(RUNS, limit=text),
            scene.get(RUNS, date=text),
            scene.get(f"/static/{path}"),
            *(
                scene.post(
                    "/api/v1/tenants/onboard",
                    {
                        "tenant_id": "new",
                        "admin_email": "a@b.example",
                        "exports": ["/no/such.parquet"],
                        name: [text] if name.endswith("s") else text,
                    },
                    ADMIN_KEY,
                )
                for name in ("tenant_id", "admin_email", "exports", "billing_accounts", "projects")
            ),
        ]
        for answer in answers:
            tried += 1
            assert 400 <= answer.status_code < 500, f"{answer.request.url}: {answer.text}"
            assert "X-Injected" not in answer.headers
        key = text.encode("ascii", "ignore").decode().replace("\r\n", " ")
        assert scene.get(RUNS, key.strip() or "x").status_code in (401, 429)
    assert tried > 200 and everything(scene) == before


@pytest.mark.parametrize("mark", ["\r", "\n", "\t", "\x00", "\x1b", "\x7f", "\x85", "\u2028"])
def test_a_control_character_in_a_text_is_refused(scene: Scene, mark: str) -> None:
    before, text = everything(scene), f"a{mark}b"
    tenant = {"tenant_id": "new", "admin_email": "a@b.example", "exports": ["/no/such.parquet"]}
    for path, body, field in (
        (RUN, {**DAY, "trigger_by": text}, "trigger_by"),
        ("/api/v1/pipelines/run/acme-gcp-cost-billing", {**DAY, "trigger_by": text}, "trigger_by"),
        ("/api/v1/pipelines/run/acme/gcp/cost/none", {**DAY, "trigger_by": text}, "trigger_by"),
        ("/api/v1/tenants/onboard", {**tenant, "company_name": text}, "company_name"),
        ("/api/v1/tenants/onboard", {**tenant, "exports": [text]}, "exports.0"),
    ):
        answer = scene.post(path, body, ADMIN_KEY)
        assert answer.status_code == 422, answer.text
        (detail,) = answer.json()["details"]
        assert detail["where"] == f"body.{field}" and "control character" in detail["what"]
        assert mark not in answer.json()["message"]
    assert everything(scene) == before


def test_a_text_that_may_be_anything_is_kept_as_it_is(scene: Scene) -> None:
    """`trigger_by` is for people to read: it is bound, never part of a statement."""
    run_id = scene.post(RUN, {**DAY, "trigger_by": STRINGS[0]}).json()["pipeline_logging_id"]
    assert scene.until(run_id, "COMPLETED")["trigger_by"] == STRINGS[0]
    assert scene.control.value("select count(*) from tenants.tenant_profiles") == 2


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 60_000,
        b'{"a":' * 10_000,
        b'{"date": ' + b"9" * 60_000 + b"}",
        b'{"date": "2024-11-01", "trigger_by": "\\ud800"}',
        b'{"date": "\\ud800"}',
        b'{"\\ud800": 1}',
        b"\xff\xfe\x00",
        b'{"date": NaN}',
        b"",
        b"x" * (middleware.BODY_BYTES + 1),
    ],
    ids=["nested", "deep", "digits", "surrogate", "date", "key", "bytes", "nan", "empty", "large"],
)
def test_a_body_that_is_a_bomb_is_4xx(scene: Scene, body: bytes) -> None:
    headers = {"X-API-Key": scene.key, "Content-Type": "application/json"}
    for path in (RUN, "/api/v1/pipelines/run/acme-gcp-cost-billing"):
        answer = scene.client.post(path, content=body, headers=headers)
        assert answer.status_code in (400, 413, 422), answer.text
        assert set(answer.json()) >= {"error", "message", "request_id"}
    assert scene.control.runs() == []


def test_a_body_without_a_length_ends_at_the_limit(scene: Scene) -> None:
    def endless() -> Any:
        for _ in range(1000):
            yield b" " * 1024

    answer = scene.client.post(RUN, content=endless(), headers={"X-API-Key": scene.key})
    assert answer.status_code == 413


def test_a_flood_of_headers_is_4xx(scene: Scene) -> None:
    many = {f"X-{n}": "1" for n in range(200)}
    assert scene.client.get("/health", headers=many).status_code == 431
    assert scene.client.get("/health", headers={"X": "y" * 20_000}).status_code == 431
    assert scene.client.get("/health?" + "q" * 20_000).status_code == 414


def test_a_mistake_of_ours_is_500_with_an_id_that_finds_its_trace(
    scene: Scene, monkeypatch
) -> None:
    def broken(*args: Any, **named: Any) -> None:
        raise ZeroDivisionError("a mistake of ours, with a detail that is not for callers")

    monkeypatch.setattr(claim, "take", broken)
    answer = scene.post(RUN, DAY)
    assert answer.status_code == 500
    result = answer.json()
    assert result["request_id"] and result["request_id"] == answer.headers["X-Request-ID"]
    assert "a detail" not in answer.text and "try again" in result["message"]
    lines = [json.loads(line) for line in scene.log().splitlines()]
    (found,) = [
        line
        for line in lines
        if line.get("request_id") == result["request_id"] and "traceback" in line
    ]
    assert "ZeroDivisionError" in found["traceback"] and "triggers.py" in found["traceback"]


def test_each_request_is_a_line_in_the_log_with_its_id_and_key(scene: Scene) -> None:
    answer = scene.get(RUNS)
    lines = [json.loads(line) for line in scene.log().splitlines()]
    (line,) = [one for one in lines if one.get("request_id") == answer.headers["X-Request-ID"]]
    assert re.match(r"GET /api/v1/pipelines/runs 200 in \d+ ms by [0-9a-f-]{36}$", line["message"])


def test_a_damaged_warehouse_is_reported_with_its_remedy(scene: Scene) -> None:
    scene.control.sql("drop table acme.x_meta_step_logs")
    run_id = scene.control.add_run()
    scene.control.sql(
        "insert into tenants.tenant_usage_events by name select ? as pipeline_logging_id,"
        " 'acme' as tenant_id, 'e' as event_id, '2024-11-01' as usage_date",
        run_id,
    )
    answer = scene.get(f"{RUNS}/{run_id}/steps")
    assert answer.status_code == 503 and "runner tenant repair acme" in answer.json()["message"]


def test_what_is_not_there_is_json_too(scene: Scene) -> None:
    for answer, status in (
        (scene.get("/nowhere"), 404),
        (scene.client.put(RUN), 405),
        (scene.get("/docs"), 404),
    ):
        assert answer.status_code == status
        assert set(answer.json()) == {"error", "message", "request_id"}


def test_answers_carry_a_policy_and_are_not_kept(scene: Scene) -> None:
    for path in ("/", "/health", RUNS):
        headers = scene.get(path).headers
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "http" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"


def test_metrics_count_and_name_no_tenant(scene: Scene) -> None:
    scene.until(scene.post(RUN, DAY).json()["pipeline_logging_id"], "COMPLETED")
    scene.control.subscribe(daily_limit=0)
    scene.post(RUN, {"date": "2024-11-02"})
    scene.client.request("X1234", "/health")
    text = scene.client.get("/metrics").text
    for line in (
        'runner_runs_total{status="COMPLETED"} 1.0',
        "runner_quota_refusals_total 1.0",
        "runner_rows_loaded_total 1.0",
        "runner_queue_length 0.0",
        "runner_run_duration_seconds_count 1.0",
        'status="429"',
        'route="/api/v1/pipelines/runs/{run_id}"',
    ):
        assert line in text
    assert "acme" not in text and "X1234" not in text


def test_the_description_has_examples_and_every_error(scene: Scene) -> None:
    document = scene.client.get("/openapi.json").json()
    trigger = document["components"]["schemas"]["Trigger"]
    assert trigger["examples"][0] == {"date": "2024-11-01", "trigger_by": "docker_test"}
    for path, methods in document["paths"].items():
        for operation in methods.values():
            assert operation.get("description") or operation["summary"], path
            if path.startswith("/api/"):
                assert {"401", "403", "429"} <= set(operation["responses"]), path
                assert operation["security"] == [{"key": []}]


def test_schemathesis_finds_no_5xx(scene: Scene) -> None:
    """Valid and invalid calls of every operation, made from the description itself."""
    schemathesis = pytest.importorskip(
        "schemathesis", reason="schemathesis is not installed: NOT proved on this machine"
    )
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis.errors import Unsatisfiable

    scene.control.subscribe(daily_limit=10**6, monthly_limit=10**7, concurrent_limit=10**6)
    schema = schemathesis.openapi.from_dict(scene.client.get("/openapi.json").json())
    made = {"calls": 0}
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.path == "/api/v1/tenants/onboard":
            continue  # would have dbt make tables; its fields are tried above
        for mode in schemathesis.GenerationMode:

            @given(case=operation.as_strategy(generation_mode=mode))
            @settings(
                max_examples=8,
                deadline=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
                derandomize=True,
                database=None,
            )
            def call(case: Any) -> None:
                case.headers = {**(case.headers or {}), "X-API-Key": ADMIN_KEY}
                sent = case.as_transport_kwargs(base_url="http://127.0.0.1")
                sent = {name: sent[name] for name in SENT if name in sent}
                answer = scene.client.request(**sent)
                made["calls"] += 1
                assert answer.status_code < 500, f"{sent}: {answer.text}"

            # An operation without parameters has no invalid call.
            with contextlib.suppress(Unsatisfiable):
                call()
    assert made["calls"] > 100
