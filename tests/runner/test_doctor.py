"""What `runner doctor` finds on a machine and in the control tables, and what it tells to do."""

import contextlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
import uuid
from collections import namedtuple
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from click.testing import Result
from control_file import Control
from support import ROOT, Inbox, free_port

from runner.cli.lists import checks
from runner.control import spool
from runner.control.processes import this_host
from runner.control.tenants import Export
from runner.doctor import machine
from runner.doctor.check import Check, document
from runner.doctor.tenant import check_freshness, reader
from runner.doctor.warehouse import check_clock
from runner.engine.job import Job, Outcome
from runner.pipelines import templates

Look = Callable[..., dict[str, str]]


@pytest.fixture
def look(runner: Callable[..., Result]) -> Look:
    """What doctor found under a name: status, detail and remedy."""

    def find(name: str, *args: str, **environ: str) -> dict[str, str]:
        result = runner("doctor", "--json", *args, **environ)
        found = json.loads(result.stdout)
        assert result.exit_code == (0 if found["ok"] else 1)
        assert "Traceback" not in result.output
        named = [check for check in found["checks"] if check["name"] == name]
        # The central tables and a tenant's have the same name: a tenant's are asked for.
        return named[-1] if "--tenant" in args else named[0]

    return find


def ends(check: dict[str, str]) -> tuple[str, str]:
    return check["status"], check["remedy"]


# -- The profile and the machine.


def test_without_a_profile_it_is_made_by_init(look: Look, control: Control) -> None:
    (control.folder / "profiles" / "profiles.yml").unlink()
    assert ends(look("profile")) == ("fail", "runner init")
    assert look("warehouse")["detail"] == "not looked at: 'profile' comes first"
    assert look("clock")["detail"] == "not looked at: 'warehouse' comes first"


def test_a_broken_profile_is_set_aside_and_made_anew(look: Look, control: Control) -> None:
    path = control.folder / "profiles" / "profiles.yml"
    path.write_text("gcp_tenant_cost: [")
    assert ends(look("profile")) == ("fail", f"mv {path} {path}.broken && runner init")


def test_a_target_that_is_not_in_the_profile(look: Look) -> None:
    assert ends(look("profile", "--target", "prod")) == ("fail", "runner doctor --target local")


def test_a_variable_that_the_profile_wants(look: Look, control: Control) -> None:
    path = control.folder / "profiles" / "profiles.yml"
    path.write_text(path.read_text().replace("env_var('WAREHOUSE_DIR', ", "env_var('OUR_DISK', "))
    path.write_text(
        re.sub(r"env_var\('OUR_DISK', [^)]*\)", "env_var('OUR_DISK')", path.read_text())
    )
    assert ends(look("profile")) == ("fail", "export OUR_DISK=...")


def test_bigquery_without_a_project(look: Look) -> None:
    assert ends(look("profile", "--target", "bigquery")) == (
        "fail",
        "export GCP_PROJECT=my-project",
    )
    check = look("profile", "--target", "bigquery", GCP_PROJECT="p", BIGQUERY_LOCATION="")
    assert ends(check) == ("fail", "export BIGQUERY_LOCATION=US")


def test_a_package_of_another_version_than_pinned(look: Look, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    for path in ROOT.iterdir():
        if path.name in ("models", "macros", "selectors.yml", "dbt_project.yml"):
            (project / path.name).symlink_to(path)
    pins = (ROOT / "pyproject.toml").read_text().replace('"click>=8.1"', '"click>=99"')
    (project / "pyproject.toml").write_text(pins.replace('"pyyaml>=6"', '"no-such-package>=1"'))
    check = look("versions", RUNNER_PROJECT_DIR=str(project))
    assert "click 8." in check["detail"] and "wanted >=99" in check["detail"]
    assert ends(check) == (
        "fail",
        f"{sys.executable} -m pip install 'click>=99' 'no-such-package>=1'",
    )
    older = pins.replace('requires-python = ">=3.11"', 'requires-python = ">=3.99"')
    (project / "pyproject.toml").write_text(older)
    check = look("versions", RUNNER_PROJECT_DIR=str(project))
    assert check["status"] == "fail" and check["remedy"].startswith("python3.12 -m venv .venv")


def test_versions_are_told_without_importing_dbt() -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom runner.doctor import machine\n"
        "from runner.settings import Settings\n"
        f"print(machine.versions(Settings(Path({str(ROOT)!r}), None, {{}})))\n"
        "assert not any(name.split('.')[0] in ('dbt', 'duckdb') for name in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    assert "('ok', 'Python 3." in answer.stdout and "dbt-core 1.11" in answer.stdout


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("{from_date}", "{run_day}", "{run_day}"),
        ("selector: cost_billing_run", "selector: nothing", "has no 'nothing'"),
        ("- {tenant_id}", "- {tenant_id", "brace"),
        ("timeout_minutes: 20", "timeout: 20", "timeout_minutes"),
    ],
)
def test_a_template_that_cannot_be_used(
    look: Look, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, old: str, new: str, told: str
) -> None:
    folder = tmp_path / "pipelines"
    shutil.copytree(templates.FOLDER, folder)
    path = folder / "gcp" / "cost" / "cost_billing.yml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    monkeypatch.setattr(templates, "FOLDER", folder)
    check = look("templates")
    assert told in check["detail"]
    assert ends(check) == ("fail", f"${{EDITOR:-vi}} {path}")


def test_a_template_that_is_not_there(
    look: Look, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(templates, "FOLDER", tmp_path / "none")
    check = look("templates")
    assert "gcp/cost/cost_billing is not in" in check["detail"]
    assert ends(check) == ("fail", f"git -C {ROOT} checkout -- {tmp_path / 'none'}")


@pytest.mark.parametrize(
    ("free", "status"), [(6_000_000_000, "ok"), (4_000_000_000, "warn"), (400_000_000, "fail")]
)
def test_a_disk_that_fills_up(
    look: Look, control: Control, monkeypatch: pytest.MonkeyPatch, free: int, status: str
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(free, 0, free))
    folder = control.folder / "warehouse"
    remedy = None if status == "ok" else f"du -xh {folder} | sort -h | tail"
    assert ends(look("disk")) == (status, remedy)


@pytest.fixture
def umask() -> Iterator[None]:
    """As the command has it."""
    before = os.umask(0o077)
    yield
    os.umask(before)


def test_what_other_users_may_read(look: Look, control: Control, umask: None) -> None:
    context, logs = control.path.parent, control.folder / "logs"
    logs.mkdir(mode=0o700)
    context.chmod(0o755)
    for path in context.iterdir():
        path.chmod(0o640)
    check = look("privacy")
    assert f"others may use {control.path}" in check["detail"] and "(mode 640)" in check["detail"]
    assert ends(check) == ("warn", f"chmod -R go= {context}")
    subprocess.run(["chmod", "-R", "go=", str(context)], check=True)
    assert look("privacy")["status"] == "ok"
    context.chmod(0o755)
    for path in context.iterdir():
        path.chmod(0o600)
    assert look("privacy")["status"] == "ok", "they see names and nothing else"
    logs.chmod(0o730)
    assert ends(look("privacy")) == ("warn", f"chmod -R go= {logs}")


def test_what_waits_in_the_spool(look: Look, control: Control) -> None:
    path = spool.keep(control.settings, "acme", (), {})
    assert ends(look("spool")) == ("warn", "runner tenant list")
    path.chmod(0o644)
    assert ends(look("spool")) == ("fail", f"rm -i {path}")
    path.chmod(0o600)
    damaged = path.with_suffix(".damaged")
    path.replace(damaged)
    assert ends(look("spool")) == ("fail", f"cat {damaged}; rm -i {damaged}")


# -- The warehouse.


def test_a_warehouse_that_was_never_made(look: Look, control: Control) -> None:
    control.path.unlink()
    assert ends(look("warehouse")) == ("fail", "runner init")
    shutil.rmtree(control.path.parent)
    assert ends(look("warehouse")) == ("fail", "runner init")
    assert not control.path.parent.exists()


def test_a_warehouse_folder_that_is_none(look: Look, control: Control) -> None:
    shutil.rmtree(control.path.parent)
    control.path.parent.write_text("in the way")
    assert ends(look("warehouse")) == ("fail", 'export WAREHOUSE_DIR="$HOME/warehouse"')


REMEDY = "mkdir {0}/damaged && mv {1}* {0}/damaged/ && runner init"


def test_a_control_file_that_is_damaged(look: Look, control: Control) -> None:
    control.path.write_bytes(b"x" * 20_000)
    path = control.path
    assert ends(look("warehouse")) == ("fail", REMEDY.format(path.parent, path))


def test_a_control_file_that_was_cut_off(look: Look, control: Control) -> None:
    control.path.write_bytes(control.path.read_bytes()[:100_000])
    path, check = control.path, look("warehouse")
    assert "is damaged" in check["detail"]
    assert ends(check) == ("fail", REMEDY.format(path.parent, path))


def test_a_control_file_that_another_program_writes(
    look: Look, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.doctor.warehouse.PATIENCE_SECONDS", 0.3)
    with contextlib.closing(sqlite3.connect(control.path, isolation_level=None)) as other:
        other.execute("begin immediate")
        status, remedy = ends(look("warehouse"))
        assert status == "fail" and str(control.path) in remedy


def test_a_tenants_file_that_another_program_holds(
    runner: Callable[..., Result], control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its data is looked at once, and no repair is asked for: it would wait for the same."""
    monkeypatch.setattr("runner.doctor.warehouse.PATIENCE_SECONDS", 1.0)
    path = control.path.with_name("tenant_acme.duckdb")
    code = f"import duckdb, time; c = duckdb.connect({str(path)!r}); print(1, flush=True)"
    holder = subprocess.Popen(
        [sys.executable, "-c", f"{code}; time.sleep(60)"], stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout and holder.stdout.readline()
        result = runner("doctor", "--json", "--tenant", "acme")
    finally:
        holder.kill()
        holder.wait()
    found = json.loads(result.stdout)["checks"]
    failed = [check for check in found if "held open" in check["detail"]]
    assert [(one["name"], *ends(one)) for one in failed] == [
        ("tables", "fail", f"ps -fp {holder.pid}")
    ]
    assert f"(process {holder.pid}): close that first" in failed[0]["detail"]
    assert not {"data", "layers", "export", "freshness"} & {check["name"] for check in found}
    assert {"limits", "runs", "alerts"} <= {check["name"] for check in found}
    assert f"(process {holder.pid}): waiting up to 1 s for it\n" in result.stderr


def test_a_bigquery_that_does_not_answer_is_told_at_once(look: Look) -> None:
    place = f"http://127.0.0.1:{free_port()}"
    began = time.monotonic()
    check = look("warehouse", "--target", "bigquery", GCP_PROJECT="p", BIGQUERY_EMULATOR_HOST=place)
    assert ends(check) == ("fail", f"curl -sSI {place}")
    assert time.monotonic() - began < 15


def test_a_central_table_without_a_column(look: Look, control: Control) -> None:
    control.sql("alter table tenants.tenant_subscriptions drop column max_team_members")
    check = look("tables")
    assert check["detail"] == "tenant_subscriptions lacks max_team_members"
    assert ends(check) == ("fail", "runner tenant repair acme")


def test_without_the_profiles_a_tenant_is_added_again(look: Look, control: Control) -> None:
    control.sql("drop table tenants.tenant_profiles")
    remedy = "runner tenant add ID --admin-email E --export REF"
    assert look("tables")["detail"] == "tenant_profiles is missing"
    assert ends(look("tables")) == ("fail", remedy)
    assert look("tenants")["status"] == "fail"


def test_a_tenants_table_without_a_column(look: Look, control: Control) -> None:
    control.sql("alter table acme.x_meta_step_logs drop column row_count")
    control.sql("drop table acme.x_meta_alerts")
    check = look("tables", "--tenant", "acme")
    assert check["detail"] == "x_meta_step_logs lacks row_count; x_meta_alerts is missing"
    assert ends(check) == ("fail", "runner tenant repair acme")
    # A look that breaks over it is told to do the same.
    assert ends(look("alerts", "--tenant", "acme")) == ("fail", "runner tenant repair acme")


def test_a_lock_without_its_row(look: Look, control: Control) -> None:
    control.sql("delete from acme.x_meta_lock")
    check = look("tables", "--tenant", "acme")
    assert check["detail"] == "x_meta_lock has lost its row"
    assert ends(check) == ("fail", "runner tenant repair acme")


def test_a_tenant_without_a_dataset(look: Look) -> None:
    check = look("tables", "--tenant", "acme")
    assert check["detail"].startswith("x_meta_exports is missing; x_meta_export_columns is missing")
    assert ends(check) == ("fail", "runner tenant repair acme")


def test_a_running_run_has_the_data_to_itself(look: Look, control: Control) -> None:
    run_id = control.add_run("RUNNING")
    check = look("tables", "--tenant", "acme")
    assert ends(check) == ("warn", f"runner status {run_id} --tenant acme")


def test_a_tenant_that_never_loaded_anything(look: Look) -> None:
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    remedy = f"runner run --tenant acme --date {yesterday}"
    assert ends(look("data", "--tenant", "acme")) == ("warn", remedy)


def test_data_tables_that_are_gone(look: Look, control: Control) -> None:
    control.add_run(day=datetime(2024, 10, 1).date(), to_day=datetime(2024, 10, 3).date())
    check = look("data", "--tenant", "acme")
    assert "billing_cost_daily is missing; gcp_silver_cost is missing" in check["detail"]
    assert ends(check) == ("fail", "runner run --tenant acme --from 2024-10-01 --to 2024-10-03")


# -- The clock.


def test_a_row_from_the_future(look: Look, control: Control) -> None:
    control.sql(
        "insert into tenants.tenant_usage_events by name"
        " select 'e' as event_id, 'acme' as tenant_id, ? as occurred_at",
        datetime.now(UTC).replace(tzinfo=None) + timedelta(hours=25),
    )
    assert ends(look("clock")) == ("fail", "sudo timedatectl set-ntp true")


def test_a_clock_that_is_not_the_warehouses() -> None:
    then = datetime.now(UTC) + timedelta(seconds=90)
    theirs = SimpleNamespace(read=lambda sql: [{"now_at": then}])
    status, _, remedy = check_clock(theirs)  # type: ignore[arg-type]
    assert (status, remedy) == ("warn", "sudo timedatectl set-ntp true")


# -- Tenants: standing, export, runs, alerts.


def test_a_tenant_that_is_not_there(look: Look) -> None:
    check = look("tenants", "--tenant", "acmee")
    assert "there is acme, globex" in check["detail"]
    assert ends(check) == ("fail", "runner tenant add acmee --admin-email E --export REF")


def test_no_tenants_are_a_warning(look: Look, control: Control) -> None:
    control.sql("delete from tenants.tenant_profiles")
    remedy = "runner tenant add ID --admin-email E --export REF"
    assert ends(look("tenants")) == ("warn", remedy)


def test_tenants_that_are_billed_for_the_same_charges(look: Look, control: Control) -> None:
    def reads(tenant: str, *accounts: str) -> None:
        control.sql("delete from tenants.tenant_exports where tenant_id = ?", tenant)
        control.sql(
            "insert into tenants.tenant_exports by name select ? as tenant_id, 'p.d.t' as"
            " export_ref, ? as billing_account_ids, '[]' as project_ids,"
            " true as has_unallocated, 'e' as export_id",
            tenant,
            json.dumps(accounts),
        )

    reads("acme", "01ECB7-6EE0BA-7357F1")
    reads("globex", "000000-000000-000001")
    assert look("overlaps")["status"] == "ok"
    add = "runner tenant add {} --admin-email admin@acme.example --export p.d.t"
    for accounts in ((), ("000000-000000-000001", "01ECB7-6EE0BA-7357F1")):
        reads("globex", *accounts)
        check = look("overlaps")
        assert "p.d.t are billed to both acme and globex" in check["detail"]
        assert ends(check) == ("warn", f"{add.format('globex')} --billing-account ID")
    assert look("overlaps", "--tenant", "acme")["remedy"].startswith(add.format("acme"))
    control.sql("update tenants.tenant_profiles set status = 'DELETED' where tenant_id = 'acme'")
    assert look("overlaps")["status"] == "ok"


NEXT_YEAR = datetime.now(UTC).date() + timedelta(days=365)
ENDED = "'2024-01-31'"


@pytest.mark.parametrize(
    ("statement", "told", "remedy"),
    [
        ("profiles set status = 'SUSPENDED'", "tenant is suspended", "resume acme"),
        (
            "subscriptions set status = 'CANCELLED'",
            "subscription is cancelled",
            "update acme --subscription active",
        ),
        (
            f"subscriptions set status = 'TRIAL', trial_end_date = {ENDED}",
            "trial ended on 2024-01-31",
            "update acme --subscription active",
        ),
        (
            f"subscriptions set subscription_end_date = {ENDED}",
            "subscription ended on 2024-01-31",
            f"update acme --ends {NEXT_YEAR}",
        ),
        (
            "subscriptions set daily_limit = 1",
            "daily limit reached: 1 of 1",
            "update acme --daily-limit 10",
        ),
        (
            "subscriptions set monthly_limit = 1",
            "monthly limit reached: 1 of 1",
            "update acme --monthly-limit 10",
        ),
        ("subscriptions set daily_limit = null", "a limit is not set", "repair acme"),
        ("subscriptions set status = null", "its subscription has no status", "repair acme"),
        (
            "profiles set admin_email = null",
            "its admin has no address",
            "update acme --admin-email name@example.com",
        ),
    ],
)
def test_what_refuses_a_tenants_runs(
    look: Look, control: Control, statement: str, told: str, remedy: str
) -> None:
    control.add_run()
    assert look("limits", "--tenant", "acme")["status"] == "ok"
    control.sql(f"update tenants.tenant_{statement} where tenant_id = 'acme'")
    check = look("limits", "--tenant", "acme")
    assert told in check["detail"]
    assert ends(check) == ("fail", f"runner tenant {remedy}")


def test_the_limits_remedy_is_one_that_mends_it(
    look: Look, control: Control, runner: Callable[..., Result]
) -> None:
    control.subscribe(daily_limit=1)
    control.add_run()
    assert runner(*look("limits", "--tenant", "acme")["remedy"].split()[1:]).exit_code == 0
    assert look("limits", "--tenant", "acme")["status"] == "ok"


def test_no_runs_at_once_are_no_matter_of_running_ones(look: Look, control: Control) -> None:
    control.subscribe(concurrent_limit=0)
    check = look("limits", "--tenant", "acme")
    assert ends(check) == ("fail", "runner tenant update acme --concurrent-limit 10")


def test_too_many_runs_at_once(look: Look, control: Control) -> None:
    control.subscribe(concurrent_limit=1)
    control.add_run("RUNNING")
    check = look("limits", "--tenant", "acme")
    assert ends(check) == ("fail", "runner runs --tenant acme --status running")


def test_in_a_round_over_all_a_suspended_tenant_is_no_failure(look: Look, control: Control) -> None:
    control.sql("update tenants.tenant_profiles set status = 'SUSPENDED' where tenant_id = 'acme'")
    assert ends(look("limits")) == ("warn", "runner tenant resume acme")


def test_a_tenant_without_a_subscription(look: Look, control: Control) -> None:
    control.sql("delete from tenants.tenant_subscriptions")
    assert ends(look("limits", "--tenant", "acme")) == ("fail", "runner tenant repair acme")


def test_a_tenant_without_an_export(look: Look) -> None:
    check = look("export", "--tenant", "acme")
    assert check["detail"] == "no export is registered"
    # Its own copy is gone, too: there is nothing to repair it from.
    remedy = "runner tenant add acme --admin-email E --export REF"
    assert ends(check) == ("fail", remedy)


@pytest.mark.parametrize(
    ("hours", "local", "status", "remedy"),
    [
        (23, False, "ok", None),
        (25, False, "warn", "bq show p:d.t"),
        (49, False, "fail", "bq show p:d.t"),
        (None, False, "fail", "bq show p:d.t"),
        (49, True, "warn", "runner tenant show acme"),
        (None, True, "warn", "runner tenant show acme"),
    ],
)
def test_an_export_that_no_longer_grows(
    hours: int | None, local: bool, status: str, remedy: str | None
) -> None:
    asked = {}

    def read_data(tenant: str, sql: str, **values: object) -> list[dict[str, object]]:
        asked.update(values)
        assert "export_partition_time >= @since" in sql
        return [{"newest": datetime.now(UTC) - timedelta(hours=hours) if hours else None}]

    row = {
        "export_ref": "p.d.t",
        "billing_account_ids": "[]",
        "project_ids": "[]",
        "has_unallocated": True,
    }
    answers = SimpleNamespace(
        read_data=read_data,
        read=lambda sql, **values: [row] if "tenant_exports" in sql else [],
    )
    found = check_freshness(answers, "acme", local)  # type: ignore[arg-type]
    assert (found[0], found[2]) == (status, remedy)
    assert timedelta(days=7) <= datetime.now(UTC) - asked["since"] < timedelta(days=7, minutes=1)


def test_an_export_that_cannot_be_opened_does_not_spoil_the_next(
    control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    class Fragile:
        def __init__(self, *args: object) -> None:
            told.append("made")

        def __enter__(self) -> "Fragile":
            return self

        def __exit__(self, *error: object) -> None: ...

        def stop(self) -> None:
            told.append("stopped")

        def run(self, job: Job, timeout: float) -> Outcome:
            assert job.environ["WAREHOUSE_DIR"] != control.environ["WAREHOUSE_DIR"]
            return Outcome("bad" not in job.command[-1], "timed out")

    monkeypatch.setattr("runner.doctor.tenant.Worker", Fragile)
    with ExitStack() as stack:
        read = reader(control.settings, stack)
        named = [[Export(ref)] for ref in ("good", "bad", "good", "good")]
        assert [read(exports, "").success for exports in named] == [True, False, True, True]
    assert told == ["made", "stopped", "made"]


def test_runs_that_nobody_runs(look: Look, control: Control) -> None:
    assert look("runs", "--tenant", "acme")["detail"] == "0 active, no orphan"
    run_id = control.add_run("RUNNING", leased_for=timedelta(minutes=-1))
    check = look("runs", "--tenant", "acme")
    assert run_id in check["detail"]
    assert ends(check) == ("warn", "runner runs --tenant acme")


def test_a_run_that_no_service_takes_up(look: Look, control: Control) -> None:
    run_id = control.take(queued=True).id
    assert look("runs", "--tenant", "acme")["status"] == "ok"
    control.sql(
        "update acme.x_meta_pipeline_runs set start_time = ?",
        (datetime.now(UTC) - timedelta(minutes=20)).replace(tzinfo=None),
    )
    check = look("runs", "--tenant", "acme")
    assert run_id in check["detail"] and "waits for a service" in check["detail"]
    assert ends(check) == ("warn", "runner serve")


def test_a_run_whose_process_is_gone_is_an_orphan_and_its_remedy_closes_it(
    look: Look, control: Control, runner: Callable[..., Result]
) -> None:

    run_id = control.add_run("RUNNING")
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    control.sql(
        "update acme.x_meta_pipeline_runs set worker_instance = ?",
        f"{this_host()}:{gone.pid}",
    )
    check = look("runs", "--tenant", "acme")
    assert run_id in check["detail"]
    assert runner(*check["remedy"].split()[1:]).exit_code == 0
    assert look("runs", "--tenant", "acme")["status"] == "ok"


def add_alert(control: Control, status: str, created: datetime) -> None:
    control.sql(
        "insert into acme.x_meta_alerts by name select ? as alert_id, 'r1' as"
        " pipeline_logging_id, ? as status, '[ALERT] x' as subject, 3 as attempts,"
        " 'refused' as last_error, ? as created_at",
        *(str(uuid.uuid4()), status, created),
    )


def test_an_alert_that_waits(look: Look, control: Control) -> None:
    add_alert(control, "PENDING", datetime.now(UTC))
    check = look("alerts", "--tenant", "acme")
    assert "'[ALERT] x'" in check["detail"] and "after 3 attempts: refused" in check["detail"]
    assert ends(check) == ("warn", "runner runs --tenant acme")


def test_an_alert_that_was_given_up_fails_for_a_week_and_is_told_for_a_month(
    look: Look, control: Control
) -> None:
    remedy = "runner doctor --tenant acme --send-mail"
    add_alert(control, "ABANDONED", datetime.now(UTC) - timedelta(days=29))
    assert ends(look("alerts", "--tenant", "acme")) == ("warn", remedy)
    add_alert(control, "ABANDONED", datetime.now(UTC) - timedelta(days=6))
    add_alert(control, "PENDING", datetime.now(UTC))
    assert ends(look("alerts", "--tenant", "acme")) == ("fail", remedy)
    control.sql("delete from acme.x_meta_alerts")
    add_alert(control, "ABANDONED", datetime.now(UTC) - timedelta(days=31))
    assert look("alerts", "--tenant", "acme")["status"] == "ok"


# -- Mail.


def mail_to(box: Inbox, **more: str) -> dict[str, str]:
    return {
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(box.port),
        "SMTP_TIMEOUT_SECONDS": "5",
        "ALERT_TO": "ops@example.com",
        **more,
    }


def test_a_mail_server_that_takes_mail_gets_none(look: Look, inbox: Inbox) -> None:
    assert ends(look("mail", **mail_to(inbox))) == ("ok", None)
    assert inbox.letters == []


def test_a_mail_server_that_is_not_named(look: Look, inbox: Inbox) -> None:
    remedy = "export SMTP_HOST=smtp.example.com SMTP_PORT=587 SMTP_STARTTLS=1"
    assert ends(look("mail")) == ("warn", remedy)
    check = look("test mail", "--tenant", "acme", "--send-mail")
    assert ends(check) == ("fail", remedy)


def test_without_alert_to_the_admin_hears_and_can_be_written_to(look: Look, inbox: Inbox) -> None:
    nobody, remedy = mail_to(inbox, ALERT_TO=""), "export ALERT_TO=ops@example.com"
    check = look("mail", **nobody)
    assert ends(check) == ("warn", remedy)
    assert "the tenant's admin alone" in check["detail"]
    assert ends(look("test mail", "--tenant", "acme", "--send-mail", **nobody)) == ("ok", None)
    assert [letter.rcpt_tos for letter in inbox.letters] == [["admin@acme.example"]]
    result = look("test mail", "--send-mail", **nobody)
    assert ends(result) == ("fail", remedy)


def test_an_address_that_the_server_cannot_take(look: Look, control: Control) -> None:
    control.sql("update tenants.tenant_profiles set admin_email = 'é@ex.com'")
    box = Inbox(free_port())
    server = Controller(box, hostname="127.0.0.1", port=box.port, enable_SMTPUTF8=False)
    server.start()
    try:
        check = look("test mail", "--tenant", "acme", "--send-mail", **mail_to(box))
    finally:
        server.stop()
    assert "é@ex.com" in check["detail"]
    remedy = "runner tenant update acme --admin-email name@example.com"
    assert ends(check) == ("fail", remedy)


def test_a_mail_server_that_is_down(look: Look) -> None:
    port = free_port()
    check = look("mail", SMTP_HOST="127.0.0.1", SMTP_PORT=str(port), ALERT_TO="ops@example.com")
    assert ends(check) == ("fail", f"nc -vz 127.0.0.1 {port}")


def test_a_mail_server_without_the_encryption_that_is_asked_for(look: Look, inbox: Inbox) -> None:
    check = look("mail", **mail_to(inbox, SMTP_STARTTLS="1"))
    remedy = f"curl -v --ssl-reqd smtp://127.0.0.1:{inbox.port}"
    assert ends(check) == ("fail", remedy)


@pytest.fixture
def guarded() -> Iterator[Inbox]:
    """A mail server that lets nobody in."""
    box = Inbox(free_port())
    controller = Controller(
        box,
        hostname="127.0.0.1",
        port=box.port,
        authenticator=lambda *args: AuthResult(success=False, handled=False),
        auth_require_tls=False,
    )
    controller.start()
    yield box
    controller.stop()


def test_a_mail_server_that_refuses_the_login(look: Look, guarded: Inbox) -> None:
    check = look("mail", **mail_to(guarded, SMTP_USER="u", SMTP_PASSWORD="not-to-be-told"))
    assert ends(check) == ("fail", "export SMTP_USER=... SMTP_PASSWORD=...")
    assert "not-to-be-told" not in json.dumps(check)


def test_a_port_that_is_no_number_is_a_failed_check(look: Look) -> None:
    check = look("mail", SMTP_HOST="h", SMTP_PORT="smtp", ALERT_TO="ops@example.com")
    assert check["status"] == "fail" and "SMTP_PORT is 'smtp'" in check["detail"]


def test_a_test_mail_goes_to_all_who_hear_of_failures(look: Look, inbox: Inbox) -> None:
    check = look("test mail", "--tenant", "acme", "--send-mail", **mail_to(inbox))
    assert ends(check) == ("ok", None)
    (letter,) = inbox.letters
    assert sorted(letter.rcpt_tos) == ["admin@acme.example", "ops@example.com"]
    assert b"[TEST] runner doctor" in letter.content


@pytest.mark.parametrize(
    ("refused", "remedy"),
    [
        ("admin@acme.example", "runner tenant update acme --admin-email name@example.com"),
        ("ops@example.com", "export ALERT_TO=ops@example.com"),
    ],
)
def test_a_recipient_that_is_refused(look: Look, inbox: Inbox, refused: str, remedy: str) -> None:
    inbox.refuses = {refused}
    check = look("test mail", "--tenant", "acme", "--send-mail", **mail_to(inbox))
    assert refused in check["detail"]
    assert ends(check) == ("fail", remedy)


# -- The command.


def test_a_look_that_breaks_is_a_failed_check_and_the_others_go_on(
    look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(settings: object) -> None:
        raise RuntimeError("first line\nsecond line")

    monkeypatch.setattr(machine, "room", broken)
    check = look("disk")
    assert check["detail"] == "RuntimeError: first line"
    assert ends(check) == ("fail", "runner doctor --verbose")
    assert look("mail")["status"] == "warn"


def test_each_remedy_stands_on_a_line_of_its_own() -> None:
    found = [
        Check("disk", "ok", "7 GB free"),
        Check("limits", "fail", "tenant is\nsuspended", "runner tenant resume acme", "acme"),
    ]
    assert checks(found).splitlines() == [
        "ok    disk         7 GB free",
        "fail  limits acme  tenant is suspended",
        "      remedy: runner tenant resume acme",
        "1 ok, 0 warn, 1 fail",
    ]
    assert document(found)["ok"] is False


def test_a_remedy_names_the_target_that_was_named(look: Look, control: Control) -> None:
    control.path.unlink()
    assert look("warehouse", "--target", "local")["remedy"] == "runner init --target local"


def test_doctor_takes_no_tenant_that_could_not_be_one(runner: Callable[..., Result]) -> None:
    assert runner("doctor", "--tenant", "a; drop table x").exit_code == 2


def test_doctor_changes_nothing(look: Look, control: Control) -> None:
    spool.keep(control.settings, "acme", (), {})
    control.add_run("RUNNING", leased_for=timedelta(minutes=-1))
    before = control.sql("select * from acme.x_meta_pipeline_runs")
    look("runs", "--tenant", "acme")
    assert control.sql("select * from acme.x_meta_pipeline_runs") == before
    assert len(spool.waiting(control.settings)) == 1
