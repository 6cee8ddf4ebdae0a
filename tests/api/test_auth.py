"""Keys: hashed, shown once, scoped, ending, revoked, of one tenant only; and no secret anywhere."""

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from control_file import Control
from fastapi.testclient import TestClient
from serving import ADMIN_KEY, DAY, RUN, RUNS, Scene, guess

from runner.api import auth, server
from runner.cli.app import cli
from runner.control import keys
from runner.errors import UsageProblem

RUN_OF = "/api/v1/pipelines/runs/{run_id}"


def command(scene: Scene, *args: str) -> Any:
    return CliRunner().invoke(cli, args, env=scene.control.environ)


def calls(scene: Scene) -> list[tuple[str, str]]:
    """Every method and path of the API."""
    document = scene.client.get("/openapi.json").json()
    return [
        (method, path)
        for path, methods in document["paths"].items()
        for method in methods
        if path.startswith("/api/")
    ]


def filled(path: str, run_id: str) -> str:
    names = {"tenant_id": "acme", "provider": "gcp", "domain": "cost"}
    names |= {"template_name": "cost_billing", "pipeline_id": "acme-gcp-cost-billing"}
    return path.format(run_id=run_id, **names)


def test_every_endpoint_wants_a_key(scene: Scene) -> None:
    run_id = scene.control.add_run()
    assert len(calls(scene)) >= 11
    for method, path in calls(scene):
        for key in ("", guess("unknown"), ADMIN_KEY[:-1]):
            headers = {"X-API-Key": key} if key else {}
            answer = scene.client.request(method, filled(path, run_id), headers=headers, json=DAY)
            assert answer.status_code == 401, f"{method} {path}"
            assert set(answer.json()) == {"error", "message", "request_id"}


def test_a_key_of_another_tenant_is_403_on_every_endpoint(scene: Scene) -> None:
    run_id = scene.post(RUN, DAY).json()["pipeline_logging_id"]
    scene.until(run_id, "COMPLETED")
    before = scene.control.runs()
    tried = 0
    for method, path in calls(scene):
        if path in ("/api/v1/pipelines/runs", "/api/v1/tenants"):
            continue  # of the key's own tenant, see below
        headers = {"X-API-Key": scene.other}
        answer = scene.client.request(method, filled(path, run_id), headers=headers, json=DAY)
        assert answer.status_code == 403, f"{method} {path}: {answer.text}"
        tried += 1
    assert tried >= 9 and scene.control.runs() == before
    assert scene.get(RUNS, scene.other, tenant_id="acme").status_code == 403
    assert scene.get(RUNS, scene.other).json() == []
    listed = scene.get("/api/v1/tenants", scene.other).json()
    assert [one["tenant_id"] for one in listed] == ["globex"]


def test_a_key_does_only_what_its_scopes_allow(scene: Scene) -> None:
    reader, writer = scene.new_key("acme", "runs:read"), scene.new_key("acme", "runs:write")
    assert scene.post(RUN, DAY, reader).status_code == 403
    assert "runs:write" in scene.post(RUN, DAY, reader).json()["message"]
    assert scene.control.runs() == []
    run_id = scene.post(RUN, DAY, writer).json()["pipeline_logging_id"]
    assert scene.get(f"{RUNS}/{run_id}", writer).status_code == 403
    scene.until(run_id, "COMPLETED", key=reader)
    for key in (reader, writer, scene.key):
        assert scene.post("/api/v1/tenants/onboard", {}, key).status_code == 403


OTHER_FORMS = {
    "no header": lambda key: [],
    "an empty one": lambda key: [("X-API-Key", "")],
    "spaces": lambda key: [("X-API-Key", "   ")],
    "a space before": lambda key: [("X-API-Key", f" {key}")],
    "a space after": lambda key: [("X-API-Key", f"{key} ")],
    "twice": lambda key: [("X-API-Key", key), ("x-api-key", key)],
    "beside an empty one": lambda key: [("X-API-Key", key), ("X-API-Key", "")],
    "as a list": lambda key: [("X-API-Key", f"{key}, {key}")],
    "quoted": lambda key: [("X-API-Key", f'"{key}"')],
    "in other case": lambda key: [("X-API-Key", key.upper())],
    "more": lambda key: [("X-API-Key", f"{key}x")],
    "as a bearer token": lambda key: [("Authorization", f"Bearer {key}")],
    "as a password": lambda key: [("Authorization", f"Basic {key}")],
    "as a header of another name": lambda key: [("Api-Key", key), ("X-Auth-Token", key)],
    "as an underscored header": lambda key: [("X_API_Key", key)],
    "as a cookie": lambda key: [("Cookie", f"X-API-Key={key}")],
}


# What proxies, balancers, content networks and tunnels are known to add.
PROXY_HEADERS = """
    Via Forwarded X-Forwarded X-Forwarded-For X-Forwarded-Host X-Forwarded-Port X-Forwarded-Proto
    X-Forwarded-Server X-Forwarded-Prefix X-Forwarded-Ssl X_Forwarded_For X-Real-IP X-Real-Port
    Forwarded-For X-Original-Forwarded-For X-Original-URL X-Original-Host X-Rewrite-URL X-Host
    CF-Connecting-IP CF-Connecting-IPv6 CF-Ray CF-Visitor CF-IPCountry CDN-Loop True-Client-IP
    X-Client-IP Client-IP X-Cluster-Client-IP X-Originating-IP X-Remote-IP X-Remote-Addr Remote-User
    Fastly-Client-IP Fastly-FF Fly-Client-IP X-Nf-Client-Connection-Ip X-Vercel-Forwarded-For
    X-Amzn-Trace-Id X-Amz-Cf-Id X-Cloud-Trace-Context X-Appengine-User-IP X-Azure-ClientIP
    X-Azure-SocketIP X-Azure-FDID X-ARR-LOG-ID X-ARR-SSL X-Envoy-External-Address
    X-Envoy-Expected-Rq-Timeout-Ms X-Akamai-Edgescape Akamai-Origin-Hop X-Varnish
    Surrogate-Capability Proxy Proxy-Connection Proxy-Authorization X-ProxyUser-Ip X-BlueCoat-Via
    WL-Proxy-Client-IP X-IMForwards Max-Forwards Front-End-Https X-Url-Scheme X-Scheme
    SSL-Client-Cert Tailscale-User-Login X-Goog-Authenticated-User-Email X-MS-Client-Principal
"""
# What callers on this machine send of themselves.
OWN_HEADERS = """
    Accept Accept-Encoding Accept-Language Cache-Control Connection Cookie Content-Type DNT Expect
    If-None-Match Pragma Priority Range Referer TE Upgrade-Insecure-Requests User-Agent Sec-CH-UA
    Sec-CH-UA-Platform Sec-Fetch-Dest Sec-Fetch-Mode Sec-Fetch-User Sec-GPC Authorization X-API-Key
    X-Request-ID X-Requested-With X-Correlation-ID Idempotency-Key traceparent tracestate baggage
    Postman-Token X-Schemathesis-TestCaseId
"""
OWN = ("127.0.0.1", "127.0.0.1:8080", "localhost", "LOCALHOST:8080", "[::1]", "[::1]:8080")
FOREIGN = (
    *("", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8080", "localhost:x"),
    *("127.0.0.2", "0.0.0.0", "[::]", "evil.example/127.0.0.1", "user@localhost", "localhost."),
)


def test_without_keys_whatever_came_through_a_proxy_is_refused(control: Control, dbt) -> None:
    with Scene(control, dbt, DISABLE_AUTH="true") as scene:
        for path in (RUNS, "/health", "/metrics", "/"):
            for name in PROXY_HEADERS.split():
                through = scene.client.get(path, headers={name: "127.0.0.1"})
                assert through.status_code == 403, name
                assert through.json()["error"] == "not_this_host"
        for name in OWN_HEADERS.split():
            assert scene.client.get("/health/live", headers={name: "1"}).status_code == 200, name
    with Scene(control, dbt) as scene:
        for name in PROXY_HEADERS.split():
            assert scene.client.get("/health/live", headers={name: "1"}).status_code == 200, name


def test_without_keys_only_its_own_page_may_call(control: Control, dbt) -> None:
    with Scene(control, dbt, DISABLE_AUTH="true") as scene:

        def status(*headers: tuple[str, str]) -> int:
            return scene.client.post(RUN, json={"date": "never"}, headers=headers).status_code

        for host in OWN:
            assert status(("Host", host)) == 422, host
            assert status(("Host", host), ("Origin", f"http://{host}")) == 422, host
            for origin in ("null", "", "https://evil.example", "http://localhost:3000", "file://"):
                assert status(("Host", host), ("Origin", origin)) == 403, origin
            assert status(("Host", host), ("Origin", f"https://evil.example/{host}")) == 403
            both = [("Origin", "https://evil.example"), ("Origin", f"http://{host}")]
            assert status(("Host", host), *both) == status(("Host", host), *both[::-1]) == 403
        for host in FOREIGN:
            assert status(("Host", host)) == 403, host
            assert status(("Host", host), ("Origin", f"http://{host}")) == 403, host
        for site, expected in (("cross-site", 403), ("same-site", 403), ("same-origin", 422)):
            assert status(("Sec-Fetch-Site", site)) == expected, site


@pytest.mark.parametrize("form", OTHER_FORMS)
def test_a_key_is_taken_in_one_form_only(scene: Scene, form: str) -> None:
    for key in (scene.key, ADMIN_KEY):
        answer = scene.client.get(RUNS, headers=OTHER_FORMS[form](key))
        assert answer.status_code == 401, form
        assert "one header X-API-Key" in answer.json()["message"]
        assert scene.client.get(RUNS, params={"X-API-Key": key}).status_code == 401
        # Others may need this header, such as who lets calls through to the service.
        own = {"X-API-Key": key, "Authorization": "Bearer not-ours"}
        assert scene.client.get(RUNS, headers=own).status_code == 200


def test_the_admin_key_sees_all_tenants(scene: Scene) -> None:
    scene.control.add_run(tenant="globex")
    scene.control.add_run(tenant="acme")
    listed = scene.get(RUNS, ADMIN_KEY).json()
    assert {run["tenant_id"] for run in listed} == {"acme", "globex"}
    assert {run["tenant_id"] for run in scene.get(RUNS, ADMIN_KEY, tenant_id="acme").json()} == {
        "acme"
    }
    assert scene.get(RUNS, ADMIN_KEY, tenant_id="unknown").status_code == 404


@pytest.fixture
def hasty(control: Control, dbt, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """A service that reads keys again after 0.2 seconds."""
    monkeypatch.setattr(auth, "CACHE_SECONDS", 0.2)
    with Scene(control, dbt) as made:
        yield made


def test_a_key_ends_and_is_revoked(hasty: Scene) -> None:
    scene = hasty
    scene.control.sql(
        "update tenants.tenant_api_keys set expires_at = ? where tenant_id = 'globex'",
        (datetime.now(UTC) - timedelta(seconds=1)).replace(tzinfo=None),
    )
    ended = scene.get(RUNS, scene.other)
    assert ended.status_code == 401 and "expired" in ended.json()["message"]
    assert scene.get(RUNS).status_code == 200
    (key,) = keys.of_tenant(scene.control.context.store, "acme")
    result = command(scene, "tenant", "key", "revoke", "--tenant", "acme", key.id)
    assert result.exit_code == 0, result.output
    time.sleep(0.3)
    revoked = scene.get(RUNS)
    assert revoked.status_code == 401 and "revoked" in revoked.json()["message"]
    own = "select is_active from acme.x_meta_api_keys"
    assert scene.control.value(own) is False, "so does the tenant's own copy"


def test_a_revoked_key_is_not_taken_for_longer_than_the_cache_keeps(scene: Scene) -> None:
    assert auth.CACHE_SECONDS <= 10


def test_the_command_line_makes_lists_and_refuses(scene: Scene) -> None:
    made = command(scene, "tenant", "key", "create", "--tenant", "acme", "--scope", "runs:read")
    secret = made.stdout.strip().splitlines()[0]
    assert secret.startswith(keys.PREFIX) and len(secret) >= 47
    assert scene.get(RUNS, secret).status_code == 200
    listed = command(scene, "tenant", "key", "list", "--tenant", "acme", "--json")
    (_, found) = json.loads(listed.stdout)
    assert found["scopes"] == ["runs:read"] and found["state"] == "active"
    for words in (
        listed.output,
        command(scene, "tenant", "key", "list", "--tenant", "acme").output,
    ):
        assert secret not in words and keys.hash_of(secret) not in words
    for args in (
        ("create", "--tenant", "unknown"),
        ("create", "--tenant", "acme", "--scope", "all"),
        ("revoke", "--tenant", "acme", "no-such-key"),
    ):
        assert command(scene, "tenant", "key", *args).exit_code == 2


def test_a_key_is_kept_as_a_hash_and_its_use_is_written(scene: Scene) -> None:
    scene.get(RUNS)
    scene.app.state.service.authenticator.write_uses(scene.control.context.store)
    row = scene.control.sql(
        "select api_key_hash, scopes, last_used_at from tenants.tenant_api_keys"
        " where tenant_id = 'acme'"
    )[0]
    assert row[0] == hashlib.sha256(scene.key.encode()).hexdigest()
    assert row[1] == ["runs:read", "runs:write"] and row[2] is not None
    assert scene.control.value("select last_used_at from acme.x_meta_api_keys") == row[2]


def test_no_secret_stands_in_a_log_a_table_or_an_error(scene: Scene) -> None:
    run_id = scene.post(RUN, DAY).json()["pipeline_logging_id"]
    scene.until(run_id, "COMPLETED")
    answers = [
        scene.get(RUNS, scene.key + "x"),
        scene.get(RUNS, ADMIN_KEY),
        scene.get(f"{RUNS}/{run_id}", scene.other),
        scene.post(RUN, {"date": scene.key}),
        scene.get(f"/static/{scene.key}"),
    ]
    scene.app.state.service.authenticator.write_uses(scene.control.context.store)
    everything = scene.log().replace(f"/static/{scene.key}", "")
    everything += "".join(answer.text + str(answer.headers) for answer in answers[:3])
    for path in Path(scene.control.folder).rglob("*.duckdb"):
        everything += path.read_bytes().decode("latin-1")
    assert run_id in everything
    for secret in (scene.key, scene.other, ADMIN_KEY):
        assert secret not in everything


def test_a_key_is_slowed_down_after_its_calls_of_a_minute(control, dbt) -> None:
    with Scene(control, dbt, RUNNER_RATE_LIMIT="5") as scene:
        answers = [scene.get(RUNS) for _ in range(7)]
        assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 2
        result = answers[-1]
        assert result.json()["error"] == "rate_limited"
        assert 0 < int(result.headers["Retry-After"]) <= 61
        assert scene.get(RUNS, scene.other).status_code == 200, "each key for itself"
        wrong = [scene.get(RUNS, guess(n)).status_code for n in range(7)]
        assert wrong == [401] * 5 + [429] * 2, "and so is guessing"
    assert auth.access(control.settings).per_minute == 50


def test_without_keys_it_serves_this_machine_only_and_reports_it(control, dbt) -> None:
    with Scene(control, dbt, DISABLE_AUTH="true") as scene:
        assert scene.client.post(RUN, json=DAY).status_code == 202
        assert scene.client.get(RUNS).status_code == 200
        assert scene.client.get("/health").json()["auth"] == "disabled"
        rebound = scene.client.get(RUNS, headers={"Host": "evil.example:8080"})
        assert rebound.status_code == 403, "a page of another site resolves to this machine"
        page = scene.client.post(RUN, json=DAY, headers={"Origin": "https://evil.example"})
        assert page.status_code == 403, "a page of another site calls this machine"
        plain = {"Content-Type": "text/plain"}
        assert scene.client.post(
            RUN, content='{"date": "2024-11-03"}', headers=plain
        ).is_client_error
        afar = TestClient(scene.app, base_url="http://127.0.0.1", client=("192.0.2.1", 5))
        assert afar.get(RUNS).status_code == 403
        own = {"Origin": "http://localhost:8080", "Host": "localhost:8080"}
        assert scene.client.get(RUNS, headers=own).status_code == 200
        for host in ("0.0.0.0", "192.0.2.1", "::"):
            with pytest.raises(UsageProblem, match="DISABLE_AUTH"):
                server.serve(scene.settings, host, 0, 1, 0, lambda text: None)


BLANKS = {"nothing": "", "a new line": "\n", "a Windows line": "\r\n", "spaces": "  ", "tab": "\t"}


@pytest.mark.parametrize("name", BLANKS)
def test_the_hash_of_an_empty_admin_key_is_refused_at_start(
    control: Control, dbt, name: str
) -> None:
    """As a recipe prints it whose first command is not installed."""
    blank = hashlib.sha256(BLANKS[name].encode()).hexdigest()
    for written in (blank, blank.upper(), f" {blank}\n"):
        with pytest.raises(UsageProblem, match=r"of an empty key: .*`runner admin-key create`"):
            Scene(control, dbt, RUNNER_ADMIN_KEY_SHA256=written)
    started = CliRunner().invoke(
        cli, ["serve"], env={**control.environ, "RUNNER_ADMIN_KEY_SHA256": blank}
    )
    assert started.exit_code == 2 and len(started.output.strip().splitlines()) == 1


@pytest.mark.parametrize("text", ["", " ", "\n", "password", "x" * 64])
def test_what_the_runner_never_made_opens_nothing_though_its_hash_is_set(
    control: Control, dbt, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr(auth, "BLANKS", frozenset())
    with Scene(control, dbt, RUNNER_ADMIN_KEY_SHA256=keys.hash_of(text)) as scene:
        control.sql("update tenants.tenant_api_keys set api_key_hash = ?", keys.hash_of(text))
        for headers in ({}, {"X-API-Key": text}):
            for path in (RUNS, "/api/v1/tenants"):
                assert scene.client.get(path, headers=headers).status_code == 401
            assert scene.client.post(RUN, json=DAY, headers=headers).status_code == 401
    assert keys.find(control.context.store, text) is None


def test_the_runner_makes_the_admin_key_and_keeps_nothing_of_it(control: Control, dbt) -> None:
    made = CliRunner().invoke(cli, ["admin-key", "create"], env=control.environ)
    assert made.exit_code == 0, made.output
    secret = made.stdout.strip()
    (line,) = [line for line in made.stderr.splitlines() if line.startswith("export ")]
    name, _, hashed = line.removeprefix("export ").partition("=")
    assert hashed == hashlib.sha256(secret.encode()).hexdigest() and len(secret) >= 53
    with Scene(control, dbt, **{name: hashed}) as scene:
        assert {one["tenant_id"] for one in scene.get("/api/v1/tenants", secret).json()} == {
            "acme",
            "globex",
        }
    result = CliRunner().invoke(cli, ["admin-key", "create", "--json"], env=control.environ)
    document = json.loads(result.stdout)
    assert document[name] == keys.hash_of(document["api_key"]) and document["api_key"] != secret
    for path in filter(Path.is_file, Path(control.folder).rglob("*")):
        content = path.read_bytes()
        assert secret.encode() not in content and hashed.encode() not in content, path


@pytest.mark.parametrize(
    ("name", "value"), [("RUNNER_ADMIN_KEY_SHA256", "secret"), ("RUNNER_RATE_LIMIT", "many")]
)
def test_a_setting_that_cannot_be_meant_is_refused(control, dbt, name, value) -> None:
    with pytest.raises(UsageProblem, match=name):
        Scene(control, dbt, **{name: value})


def test_onboarding_calls_what_the_command_calls(scene: Scene, monkeypatch) -> None:
    asked: list[Any] = []

    def onboard(context: Any, spec: Any) -> list[Any]:
        asked.append(spec)
        context.echo("making the tables")
        return []

    monkeypatch.setattr("runner.onboarding.onboard.onboard", onboard)
    body = {"tenant_id": "acme", "admin_email": "a@b.example", "exports": ["x.parquet"]}
    has_one = scene.post("/api/v1/tenants/onboard", body, ADMIN_KEY)
    assert has_one.status_code == 201 and has_one.json()["api_key"] is None, "it has a key"
    body["create_key"] = True
    answer = scene.post("/api/v1/tenants/onboard", body, ADMIN_KEY)
    assert answer.status_code == 201, answer.text
    result = answer.json()
    assert result["messages"] == ["making the tables"]
    assert scene.get(RUNS, result["api_key"]).status_code == 200
    assert (asked[0].tenant_id, asked[0].admin_email) == ("acme", "a@b.example")
    assert asked[0].refs == ("x.parquet",)
    for wrong in ({"tenant_id": "Acme!"}, {"admin_email": "x"}, {"exports": []}, {"more": 1}):
        assert (
            scene.post("/api/v1/tenants/onboard", {**body, **wrong}, ADMIN_KEY).status_code == 422
        )


def test_a_missing_export_has_the_message_of_the_command(scene: Scene) -> None:
    body = {"tenant_id": "newone", "admin_email": "a@b.example", "exports": ["/no/such.parquet"]}
    answer = scene.post("/api/v1/tenants/onboard", body, ADMIN_KEY)
    assert answer.status_code == 422 and "was not found" in answer.json()["message"]


@pytest.mark.parametrize(
    ("ref", "message"),
    [
        ("tenant:nosuch", "There is no tenant 'nosuch'"),
        ("tenant:BAD!", "'BAD!' is not a valid tenant id"),
        ("tenant:globex", "Tenant globex is not a landing"),
    ],
)
def test_a_landing_that_is_none_is_an_invalid_request(scene: Scene, ref: str, message: str) -> None:
    body = {"tenant_id": "newone", "admin_email": "a@b.example", "exports": [ref]}
    answer = scene.post("/api/v1/tenants/onboard", body, ADMIN_KEY)
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"] == "invalid_request" and message in answer.json()["message"]


def test_guessing_is_refused_before_it_is_read(control, dbt, monkeypatch) -> None:
    checked: list[str] = []
    find = keys.find

    def noted(context: Any, secret: str) -> Any:
        checked.append(secret)
        return find(context, secret)

    monkeypatch.setattr(keys, "find", noted)
    with Scene(control, dbt, RUNNER_RATE_LIMIT="5") as scene, ThreadPoolExecutor(40) as many:
        assert scene.get(RUNS).status_code == 200
        result = list(many.map(lambda n: scene.get(RUNS, guess(n)).status_code, range(60)))
        assert set(result) == {401, 429}
        assert 1 < len(checked) <= 1 + 5 + 2 * auth.GUESSES_AT_ONCE
        assert scene.get(RUNS).status_code == 200, "a key that was good is not a guess"


def test_a_deleted_key_becomes_a_guess(control, dbt, monkeypatch) -> None:
    checked, find = [], keys.find

    def noted(store: Any, secret: str) -> Any:
        checked.append(secret)
        return find(store, secret)

    with Scene(control, dbt, RUNNER_RATE_LIMIT="5") as scene:
        assert scene.get(RUNS).status_code == 200
        control.sql("delete from tenants.tenant_api_keys where tenant_id = 'acme'")
        scene.app.state.service.authenticator._keys.clear()
        monkeypatch.setattr(keys, "find", noted)
        statuses = [scene.get(RUNS).status_code for _ in range(9)]
    assert statuses == [401] * 5 + [429] * 4 and len(checked) == 5


@pytest.mark.parametrize("is_known", [False, True])
def test_calls_with_one_key_at_once_read_it_once(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, is_known: bool
) -> None:
    """On BigQuery each lookup is a job."""
    authenticator = scene.app.state.service.authenticator
    if is_known:
        assert scene.get(RUNS).status_code == 200
        authenticator._keys.clear()
    checked, find = [], keys.find

    def slow(store: Any, secret: str) -> Any:
        checked.append(secret)
        time.sleep(0.5)
        return find(store, secret)

    monkeypatch.setattr(keys, "find", slow)
    with ThreadPoolExecutor(20) as many:
        result = [one.status_code for one in many.map(lambda _: scene.get(RUNS), range(20))]
    assert result == [200] * 20 and checked == [scene.key]
    assert not authenticator._pending


def test_wrong_keys_hold_up_no_good_one_and_push_none_out(hasty: Scene, monkeypatch) -> None:
    scene = hasty
    assert scene.get(RUNS).status_code == 200
    slow, find = threading.Event(), keys.find

    def waits(context: Any, secret: str) -> Any:
        if secret.startswith("gtc_guess"):
            slow.wait(30)
        return find(context, secret)

    monkeypatch.setattr(keys, "find", waits)
    with ThreadPoolExecutor(60) as many:
        guesses = [many.submit(scene.get, RUNS, guess(n)) for n in range(60)]
        time.sleep(0.5)
        try:
            assert scene.get(RUNS).status_code == 200, "read again meanwhile"
        finally:
            slow.set()
        assert {guess.result().status_code for guess in guesses} == {401}
    assert len(scene.app.state.service.authenticator._found) == 1


def test_a_key_is_of_one_tenant_and_has_no_scope_that_there_is_not(scene: Scene) -> None:
    scene.control.sql(
        "update tenants.tenant_api_keys set scopes = ? where tenant_id = 'acme'",
        '["runs:read", "admin"]',
    )
    assert scene.get(RUNS).status_code == 200
    assert scene.post("/api/v1/tenants/onboard", {}).status_code == 403, "admin is not a scope"
    for missing in ("''", "null"):
        scene.control.sql(
            f"update tenants.tenant_api_keys set tenant_id = {missing}"
            " where coalesce(tenant_id, '') <> 'acme'"
        )
        scene.app.state.service.authenticator._keys.clear()
        answer = scene.get("/api/v1/tenants", scene.other)
        assert answer.status_code == 401, "a key without a tenant opens nothing"
