"""Each tenant's data is asked as the tenant's account, by dbt and by the runner; see gate.py.

All commands share one dbt process, as tenants do one after the other in a service.
"""

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import gate_login
import google.auth
import pytest
from click.testing import CliRunner, Result
from cloud import ACCOUNTS, BETA, EXPORT, is_onboarded, one_dbt, quick_path
from connection import connect
from emulator import Emulator
from fastapi.testclient import TestClient
from gate import Gate, open_gate
from gate_login import OWN
from google.auth import iam
from google.cloud import bigquery
from support import DBT_TARGET, Inbox, environment_in, only

from runner import settings
from runner.api import app, auth
from runner.cli.app import cli

HERE = Path(__file__).parent
SA = {name: f"{name}-billing@acme-iam.iam.gserviceaccount.com" for name in ACCOUNTS}
SET = {name: f"tenant credentials set --tenant {name} --impersonate {SA[name]}" for name in SA}


# What is checked is the caller, and a node costs a second here.
few_nodes = only("copy")


@dataclass
class World:
    """Two tenants behind the gate, a client that passes by it, and a way to give commands."""

    gate: Gate
    client: bigquery.Client
    environ: dict[str, str]

    def give(self, command: str, **more: str) -> Result:
        return CliRunner().invoke(
            cli, shlex.split(command), env={**self.environ, **more}, catch_exceptions=False
        )

    def done(self, command: str, **more: str) -> str:
        result = self.give(command, **more)
        assert result.exit_code == 0, result.output
        return result.stdout

    def askers(self, command: str) -> tuple[set[str], set[str], set[str]]:
        """The accounts used by dbt, by the runner for data, and by it for control tables."""
        self.gate.asked.clear()
        self.done(command)
        dbts = {one.account for one in self.gate.asked if one.is_dbt}
        ours = [one for one in self.gate.asked if one.sql and not one.is_dbt]
        data, control = (
            {one.account for one in ours if re.search(table, one.sql)}
            for table in ("billing_cost_daily|x_meta_dq_results", "x_meta_pipeline_runs")
        )
        return dbts, data, control


@pytest.fixture(scope="module")
def world(two_accounts: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Alpha and beta, added by the process's own account, and then given one each."""
    folder = tmp_path_factory.mktemp("accounts")
    environ = {
        **environment_in(folder),
        # The story's parse is of another way to sign in.
        "RUNNER_TARGET_DIR": str(DBT_TARGET / "accounts"),
        "DBT_TARGET": "bigquery",
        "GCP_PROJECT": "local",
        "PYTHONPATH": quick_path("as_google"),
    }
    with (
        open_gate(two_accounts) as gate,
        pytest.MonkeyPatch.context() as patch,
        one_dbt(),
    ):
        client = connect(two_accounts)
        profile = folder / "profiles" / "profiles.yml"
        reported = profile.read_text().splitlines()
        [n] = [n for n, line in enumerate(reported) if "api_endpoint:" in line]
        reported[n] = f"      api_endpoint: {gate.url}"
        profile.write_text("\n".join(reported))
        environ["GATE_URL"] = gate.url
        patch.setattr(google.auth, "default", None)
        patch.setattr(iam, "_IAM_ENDPOINT", "")
        gate_login.aim(gate.url)
        made = World(gate, client, environ)
        for tenant, account in ACCOUNTS.items():
            if not is_onboarded(client, tenant):
                made.done(
                    f"tenant add {tenant} --admin-email a@b.example --plan scale --export {EXPORT}"
                    f" --billing-account {account}"
                )
            gate.granted[SA[tenant]] = {tenant, "billing"}
            made.done(SET[tenant])
        yield made


@pytest.fixture(autouse=True)
def none_is_refused(world: World) -> Iterator[None]:
    """No account stays refused for the test after."""
    yield
    world.gate.refuses.clear()


@pytest.fixture
def alphas_own(world: World) -> Iterator[None]:
    """Alpha has its own account again after a test that gives it another, or none."""
    yield
    world.done(SET["alpha"])


def test_a_complete_bill_needs_no_more_than_the_grants_of_one_account_per_tenant(
    world: World,
) -> None:
    """Else the gate refuses what names more than the tenant's dataset and the export's."""
    with only("bill_run"):
        asked = world.askers(f"run --tenant alpha --date {BETA}")
    assert asked == ({SA["alpha"]}, {SA["alpha"]}, {OWN})


@few_nodes
def test_tenants_one_after_the_other_in_one_dbt_process_share_no_account(
    world: World, alphas_own: None
) -> None:
    def asked(tenant: str) -> tuple[set[str], set[str], set[str]]:
        return world.askers(f"run --tenant {tenant} --date {BETA}")

    for name in SA:
        assert asked(name) == ({SA[name]}, {SA[name]}, {OWN}), name
    world.done("tenant credentials clear --tenant alpha")
    assert asked("alpha") == ({OWN}, {OWN}, {OWN}), "without one, after one that has"


@few_nodes
def test_a_run_as_another_tenants_account_is_refused_by_bigquery(
    world: World, alphas_own: None
) -> None:
    """Another program wrote beta's account into alpha's profile: it opens nothing of alpha."""
    world.client.query_and_wait(
        f"update tenants.tenant_profiles set service_account = '{SA['beta']}'"
        " where tenant_id = 'alpha'"
    )
    result = world.give(f"run --tenant alpha --date {BETA} --json")
    assert result.exit_code == 1
    # dbt takes tables that it may not list for tables that do not exist.
    assert "alpha has no export that can be read" in json.loads(result.stdout)["error"]


@few_nodes
def test_the_account_in_the_tenants_dataset_is_not_used(world: World) -> None:
    """Its own account may write there: it must not choose as whom the process acts."""
    world.client.query_and_wait(
        f"update alpha.x_meta_cloud_credentials set secret_ref = '{SA['beta']}' where true"
    )
    dbts, data, _ = world.askers(f"run --tenant alpha --date {BETA}")
    assert dbts == data == {SA["alpha"]}


def test_costs_are_read_as_the_tenants_account(world: World) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in world.environ.items():
            patch.setenv(name, value)
        patch.setenv("DISABLE_AUTH", "true")
        config = settings.load(None, None)
        client = TestClient(
            app.create(config, auth.access(config), 1, 1),
            base_url="http://127.0.0.1",
            client=("127.0.0.1", 50000),
        )
        day = {"from_date": BETA, "to_date": BETA}
        for name in (*SA, *SA):
            world.gate.asked.clear()
            answer = client.get(f"/api/v1/tenants/{name}/costs", params=day)
            assert answer.status_code == 200, answer.text
            read = [one for one in world.gate.asked if "cost_by_service_daily" in one.sql]
            assert {one.account for one in read} == {SA[name]}
        world.gate.refuses[SA["beta"]] = 0
        fresh = TestClient(
            app.create(config, auth.access(config), 1, 1),
            base_url="http://127.0.0.1",
            client=("127.0.0.1", 50000),
        )
        answer = fresh.get("/api/v1/tenants/beta/costs", params=day)
        assert (answer.status_code, answer.json()["error"]) == (503, "account_refused")
        assert "serviceAccountTokenCreator" in answer.json()["message"]


@pytest.mark.parametrize("mints", [0, 1], ids=["at the start", "once dbt has begun"])
@few_nodes
def test_an_account_that_cannot_be_acted_as_fails_the_run_in_one_sentence(
    world: World, inbox: Inbox, mints: int
) -> None:
    world.gate.refuses[SA["alpha"]] = mints
    mail = {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(inbox.port), "ALERT_QUIET_HOURS": "0"}
    result = world.give(f"run --tenant alpha --date {BETA} --json", **mail)
    reported = json.loads(result.stdout)
    assert (result.exit_code, reported["status"]) == (1, "FAILED")
    assert reported["error"].startswith(
        f"The runner cannot act as the service account {SA['alpha']}"
    )
    assert f"`gcloud iam service-accounts add-iam-policy-binding {SA['alpha']}" in reported["error"]
    assert "Traceback" not in result.output
    mail = message_from_bytes(inbox.mails[-1].original_content, policy=default)
    text = mail.get_body(("plain",)).get_content()
    assert reported["error"].split(": run `")[0] in " ".join(text.split())
    assert "Traceback" not in text


def test_doctor_tries_the_account_and_names_what_is_not_granted(world: World) -> None:
    def checks() -> dict[str, dict[str, str]]:
        result = world.give("doctor --tenant alpha --json")
        return {one["name"]: one for one in json.loads(result.stdout)["checks"]}

    found = checks()
    assert found["credentials"]["detail"] == f"acts as {SA['alpha']}, which may run jobs"
    assert {"tables", "export", "permissions"} <= set(found)
    world.gate.refuses[SA["alpha"]] = 0
    found = checks()
    assert found["credentials"]["status"] == "fail"
    assert "serviceAccountTokenCreator" in found["credentials"]["detail"]
    assert found["credentials"]["remedy"].startswith("gcloud iam service-accounts add-iam-policy")
    assert "export" not in found, "it would only repeat that"


def test_a_dry_run_and_catch_up_ask_as_the_tenants_account(world: World) -> None:
    for command in (
        f"run --tenant alpha --date {BETA} --dry-run --json",
        "catch-up --tenant alpha --dry-run --json",
    ):
        with only("bill_run"):
            dbts, data, _ = world.askers(command)
        assert dbts <= {SA["alpha"]} and data == {SA["alpha"]}, command
