"""A tenant's service account: kept as a reference, of one tenant only, and passed on to dbt.

That both clients act as it is tested in tests/bigquery/test_accounts.py.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result
from control_file import Control

from runner import refusals
from runner.control import accounts
from runner.engine.job import Job
from runner.engine.process import Worker
from runner.errors import UsageProblem
from runner.onboarding import remove
from runner.settings import Settings

SA = "acme-billing@acme-iam.iam.gserviceaccount.com"
OTHER = "globex-billing@acme-iam.iam.gserviceaccount.com"
Runner = Callable[..., Result]


def kept(control: Control) -> list[tuple[object, ...]]:
    return control.sql(
        "select secret_ref, provider, credential_type, project_id, is_active"
        " from acme.x_meta_cloud_credentials order by created_at"
    )


def test_an_account_is_set_shown_and_cleared(control: Control, runner: Runner) -> None:
    none = runner("tenant", "credentials", "show", "--tenant", "acme")
    assert none.exit_code == 0 and "the process's own account is used" in none.stdout
    done = runner("tenant", "credentials", "set", "--tenant", "acme", "--impersonate", SA)
    assert done.exit_code == 0, done.output
    assert SA in done.stdout and "stores the account but does not use it" in done.stderr, (
        "it is a DuckDB target"
    )
    shown = json.loads(runner("tenant", "credentials", "show", "--tenant", "acme", "--json").stdout)
    assert (shown["tenant_id"], shown["impersonate"]) == ("acme", SA)
    assert shown["set_at"] and shown["set_by"]
    assert runner("tenant", "credentials", "show", "--tenant", "globex").stdout == (
        "Tenant globex has no service account: the process's own account is used.\n"
    )
    for _ in range(2):
        cleared = runner("tenant", "credentials", "clear", "--tenant", "acme", "--json")
        assert json.loads(cleared.stdout)["impersonate"] is None
    assert kept(control) == [(SA, "gcp", "impersonation", "acme-iam", False)]


def test_another_account_ends_the_one_before(control: Control) -> None:
    for account in (SA, OTHER):
        accounts.put(control.context.store, "acme", account, "me")
    assert [(row[0], row[4]) for row in kept(control)] == [(SA, False), (OTHER, True)]
    reported = accounts.of(control.context.store, "acme")
    assert (reported.impersonate, reported.set_by) == (OTHER, "me")


def test_an_account_stays_while_a_run_uses_it(control: Control) -> None:
    """BigQuery's jobs of a killed run are found as the account that sent them."""
    run = control.add_run("RUNNING")
    with pytest.raises(UsageProblem, match=f"Run {run} of acme uses the present account"):
        accounts.put(control.context.store, "acme", SA, "me")
    control.sql("update acme.x_meta_pipeline_runs set status = 'COMPLETED'")
    assert accounts.put(control.context.store, "acme", SA, "me").impersonate == SA


def test_an_account_of_another_tenant_is_refused_and_changes_nothing(
    control: Control, runner: Runner
) -> None:
    accounts.put(control.context.store, "globex", OTHER, "me")
    accounts.put(control.context.store, "acme", SA, "me")
    result = runner("tenant", "credentials", "set", "--tenant", "acme", "--impersonate", OTHER)
    assert result.exit_code == 2 and "is used by another tenant" in result.stderr
    assert accounts.of(control.context.store, "acme").impersonate == SA
    assert [(row[0], row[4]) for row in kept(control)] == [(SA, True)]


def test_a_removed_tenant_lets_go_of_its_account(control: Control) -> None:
    accounts.put(control.context.store, "acme", SA, "me")
    remove.remove(control.context, "acme")
    assert accounts.put(control.context.store, "globex", SA, "me").impersonate == SA


@pytest.mark.parametrize(
    "text",
    [
        "",
        "acme-billing",
        "someone@acme.example",
        "acme-billing@acme-iam.iam.gserviceaccount.com.evil.example",
        "acme-billing@acme-iam.iam.gserviceaccount.com\n",
        "Acme@acme-iam.iam.gserviceaccount.com",
        "acme-billing@acme-iam.iam.gserviceaccount.com:generateAccessToken?x=",
        "../acme-billing@acme-iam.iam.gserviceaccount.com",
        "a@acme-iam.iam.gserviceaccount.com",
        "acme-billing@acme-iam.iam.gserviceaccount.com,x",
        '{"type": "service_account", "private_key": "secret"}',
    ],
)
def test_what_is_no_service_account_is_refused(control: Control, runner: Runner, text: str) -> None:
    result = runner("tenant", "credentials", "set", "--tenant", "acme", "--impersonate", text)
    assert result.exit_code == 2 and len(result.stderr.splitlines()) == 1
    with pytest.raises(UsageProblem, match="is not a valid service account: write its address"):
        accounts.put(control.context.store, "acme", text, "me")
    assert kept(control) == []


def test_an_account_of_a_project_within_a_domain_is_taken(control: Control) -> None:
    account = "acme-billing@acme-iam.acme.example.iam.gserviceaccount.com"
    assert accounts.put(control.context.store, "acme", account, "me").impersonate == account


def test_an_unknown_tenant_has_none(runner: Runner) -> None:
    for words in (("set", "--impersonate", SA), ("show",), ("clear",)):
        result = runner("tenant", "credentials", words[0], "--tenant", "unknown", *words[1:])
        assert result.exit_code == 2 and "There is no tenant 'unknown'" in result.stderr


@pytest.mark.parametrize(
    ("reported", "words"),
    [
        ("{'status': 'PERMISSION_DENIED'}", f"add-iam-policy-binding {SA} --member=M"),
        ("{'code': 404, 'status': 'NOT_FOUND'}", "the account does not exist"),
        ("IAM API has not been used in project 5 before", "gcloud services enable iamcredentials"),
        ("line one\nline two", "(line one line two)"),
    ],
)
def test_a_refusal_is_one_sentence_with_its_remedy(reported: str, words: str) -> None:
    sentence = refusals.refusal(SA, reported)
    assert words in sentence and "\n" not in sentence and SA in sentence


# -- What dbt gets


def on_bigquery(control: Control, **environ: str) -> Settings:
    named = {"DBT_TARGET": "bigquery", "GCP_PROJECT": "p", **environ}
    return replace(control.settings, target_name="bigquery", environ={**control.environ, **named})


def test_each_job_names_whom_dbt_acts_as_so_that_none_has_the_account_before(
    control: Control, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []

    class Pipe:
        def write(self, line: bytes) -> None:
            sent.append(json.loads(line)["environ"]["BIGQUERY_IMPERSONATE"])

        def flush(self) -> None: ...

    for own in ("", OTHER):
        worker = Worker.__new__(Worker)
        worker._settings = on_bigquery(control, **({"BIGQUERY_IMPERSONATE": own} if own else {}))
        worker._log_path = tmp_path
        worker._process = type("Process", (), {"stdin": Pipe()})()  # type: ignore[assignment]
        for account in (SA, ""):
            worker._send(Job("acme", ("build",), account=account))
    assert sent == [SA, "", SA, OTHER]


def test_a_profile_that_would_not_hand_the_account_on_is_refused(control: Control) -> None:
    config = on_bigquery(control)
    assert config.environ_as(SA) == {"BIGQUERY_IMPERSONATE": SA}
    path = config.profiles_path
    lines = path.read_text().splitlines()
    path.write_text("\n".join(line for line in lines if "impersonate_service" not in line))
    with pytest.raises(UsageProblem, match="would not act as"):
        config.environ_as(SA)
    assert config.environ_as("") == {"BIGQUERY_IMPERSONATE": ""}


def test_bare_dbt_acts_as_the_variables_account_and_on_the_emulator_without_one(
    control: Control,
) -> None:
    def acts_as(**environ: str) -> object:
        return on_bigquery(control, **environ).target().fields["impersonate_service_account"]

    assert acts_as() is None
    assert acts_as(BIGQUERY_IMPERSONATE=SA) == SA
    assert acts_as(BIGQUERY_IMPERSONATE=SA, BIGQUERY_EMULATOR_HOST="localhost:9050") is None
