"""What `runner doctor` finds on a machine and in the control tables, and its remedies."""

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
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from click.testing import Result
from control_file import Control
from support import ROOT, Inbox, free_port

from runner.cli.lists import checks
from runner.control import spool, tenants
from runner.control.processes import this_host
from runner.control.tenants import Export
from runner.doctor import check, tenant, warehouse
from runner.doctor.check import (
    ANSWER,
    Check,
    CheckResult,
    CheckRunner,
    Scope,
    document,
    fail,
    ok,
    warn,
)
from runner.engine import pool
from runner.engine.job import Job, Outcome
from runner.errors import WarehouseUnreachable
from runner.onboarding import project
from runner.pipelines import templates
from runner.settings import Settings, Target

FindCheck = Callable[..., dict[str, str]]


@pytest.fixture
def find_check(runner: Callable[..., Result]) -> FindCheck:
    """What doctor found under a name: status, detail and remedy."""

    def found_check(name: str, *args: str, **environ: str) -> dict[str, str]:
        result = runner("doctor", "--json", *args, **environ)
        found = json.loads(result.stdout)
        assert result.exit_code == (0 if found["ok"] else 1)
        assert "Traceback" not in result.output
        named = [check for check in found["checks"] if check["name"] == name]
        # The central tables and a tenant's have the same name: a tenant's are asked for.
        return named[-1] if "--tenant" in args else named[0]

    return found_check


def ends(check: dict[str, str]) -> tuple[str, str]:
    return check["status"], check["remedy"]


# -- The profile and the machine.


def test_without_a_profile_it_is_made_by_init(find_check: FindCheck, control: Control) -> None:
    (control.folder / "profiles" / "profiles.yml").unlink()
    assert ends(find_check("profile")) == ("fail", "runner init")
    assert find_check("warehouse")["detail"] == "skipped: fix 'profile' first"
    assert find_check("clock")["detail"] == "skipped: fix 'warehouse' first"


def test_a_broken_profile_is_set_aside_and_made_anew(
    find_check: FindCheck, control: Control
) -> None:
    path = control.folder / "profiles" / "profiles.yml"
    path.write_text("gcp_tenant_cost: [")
    assert ends(find_check("profile")) == ("fail", f"mv {path} {path}.broken && runner init")


def test_a_target_that_is_not_in_the_profile(find_check: FindCheck) -> None:
    assert ends(find_check("profile", "--target", "prod")) == (
        "fail",
        "runner doctor --target local",
    )


def test_a_variable_that_the_profile_wants(find_check: FindCheck, control: Control) -> None:
    path = control.folder / "profiles" / "profiles.yml"
    path.write_text(path.read_text().replace("env_var('WAREHOUSE_DIR', ", "env_var('OUR_DISK', "))
    path.write_text(
        re.sub(r"env_var\('OUR_DISK', [^)]*\)", "env_var('OUR_DISK')", path.read_text())
    )
    assert ends(find_check("profile")) == ("fail", "export OUR_DISK=...")


def test_bigquery_without_a_project(find_check: FindCheck) -> None:
    assert ends(find_check("profile", "--target", "bigquery")) == (
        "fail",
        "export GCP_PROJECT=my-project",
    )
    check = find_check("profile", "--target", "bigquery", GCP_PROJECT="p", BIGQUERY_LOCATION="")
    assert ends(check) == ("fail", "export BIGQUERY_LOCATION=US")


def test_a_package_of_another_version_than_pinned(
    find_check: FindCheck, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = metadata.distribution
    own = find("gcp-tenant-cost")
    asked = {one: one for one in own.requires or ()} | {"click>=8.1": "click>=99"}
    asked["pyyaml>=6"] = "no-such-package>=1"
    wanted = SimpleNamespace(metadata=own.metadata, requires=[*asked.values()])
    monkeypatch.setattr(
        metadata, "distribution", lambda name: wanted if name == "gcp-tenant-cost" else find(name)
    )
    check = find_check("versions")
    assert "click 8." in check["detail"] and "required >=99" in check["detail"]
    assert ends(check) == (
        "fail",
        f"{sys.executable} -m pip install 'click>=99' 'no-such-package>=1'",
    )
    older = SimpleNamespace(metadata={"Requires-Python": ">=3.99"}, requires=[])
    monkeypatch.setattr(metadata, "distribution", lambda name: older)
    check = find_check("versions")
    assert check["status"] == "fail" and check["remedy"].startswith("python3.12 -m venv .venv")


def test_dbt_may_be_of_any_version_that_the_project_names(
    find_check: FindCheck, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 1.12, too, which the package itself does not have installed."""
    version = metadata.version
    for found, status in (("1.12.6", "ok"), ("1.13.0", "fail")):
        monkeypatch.setattr(
            metadata,
            "version",
            lambda name, found=found: found if name == "dbt-core" else version(name),
        )
        assert find_check("versions")["status"] == status


def test_a_project_of_an_older_version_is_reported_with_the_upgrade(
    find_check: FindCheck, control: Control, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "made"
    project.sync(folder, upgrade=False)
    assert ends(find_check("project")) == ("ok", None)
    assert ends(find_check("project", RUNNER_PROJECT_DIR=str(folder))) == ("ok", None)
    record = json.loads((folder / project.RECORD).read_text())
    (folder / "selectors.yml").unlink()
    del record["files"]["selectors.yml"]
    (folder / project.RECORD).write_text(json.dumps(record))
    check = find_check("project", RUNNER_PROJECT_DIR=str(folder))
    assert ends(check) == ("warn", f"runner init {folder} --upgrade")


def test_versions_are_read_without_importing_dbt() -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom runner.doctor import check, machine\n"
        "from runner.settings import Settings\n"
        f"settings = Settings(Path({str(ROOT)!r}), None, {{}})\n"
        "print(machine.versions(check.Scope(settings, None)).detail)\n"
        "assert not any(name.split('.')[0] in ('dbt', 'duckdb') for name in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith("Python 3.") and "dbt-core 1.11" in answer.stdout


@pytest.mark.parametrize(
    ("old", "new", "detail"),
    [
        ("{from_date}", "{run_day}", "{run_day}"),
        ("selector: cost_billing_run", "selector: nothing", "has no 'nothing'"),
        ("- {tenant_id}", "- {tenant_id", "brace"),
        ("timeout_minutes: 20", "timeout: 20", "timeout_minutes"),
    ],
)
def test_a_template_that_cannot_be_used(
    find_check: FindCheck,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    old: str,
    new: str,
    detail: str,
) -> None:
    folder = tmp_path / "pipelines"
    shutil.copytree(templates.FOLDER, folder)
    path = folder / "gcp" / "cost" / "cost_billing.yml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    monkeypatch.setattr(templates, "FOLDER", folder)
    check = find_check("templates")
    assert detail in check["detail"]
    assert ends(check) == ("fail", f"${{EDITOR:-vi}} {path}")


def test_a_template_that_is_not_there(
    find_check: FindCheck, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(templates, "FOLDER", tmp_path / "none")
    check = find_check("templates")
    assert "gcp/cost/cost_billing is not in" in check["detail"]
    assert ends(check) == ("fail", f"git -C {ROOT} checkout -- {tmp_path / 'none'}")


@pytest.mark.parametrize(
    ("free", "status"), [(6_000_000_000, "ok"), (4_000_000_000, "warn"), (400_000_000, "fail")]
)
def test_a_disk_that_fills_up(
    find_check: FindCheck, control: Control, monkeypatch: pytest.MonkeyPatch, free: int, status: str
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(free, 0, free))
    folder = control.folder / "warehouse"
    remedy = None if status == "ok" else f"du -xh {folder} | sort -h | tail"
    assert ends(find_check("disk")) == (status, remedy)


@pytest.fixture
def umask() -> Iterator[None]:
    """As the command has it."""
    before = os.umask(0o077)
    yield
    os.umask(before)


def test_what_other_users_may_read(find_check: FindCheck, control: Control, umask: None) -> None:
    context, logs = control.path.parent, control.folder / "logs"
    logs.mkdir(mode=0o700)
    context.chmod(0o755)
    for path in context.iterdir():
        path.chmod(0o640)
    check = find_check("privacy")
    assert f"others may read {control.path}" in check["detail"] and "(mode 640)" in check["detail"]
    assert ends(check) == ("warn", f"chmod -R go= {context}")
    subprocess.run(["chmod", "-R", "go=", str(context)], check=True)
    assert find_check("privacy")["status"] == "ok"
    context.chmod(0o755)
    for path in context.iterdir():
        path.chmod(0o600)
    assert find_check("privacy")["status"] == "ok", "they see names and nothing else"
    logs.chmod(0o730)
    assert ends(find_check("privacy")) == ("warn", f"chmod -R go= {logs}")


def test_what_waits_in_the_spool(find_check: FindCheck, control: Control) -> None:
    path = spool.keep(control.settings, "acme", (), {})
    assert ends(find_check("spool")) == ("warn", "runner tenant list")
    path.chmod(0o644)
    assert ends(find_check("spool")) == ("fail", f"rm -i {path}")
    path.chmod(0o600)
    damaged = path.with_suffix(".damaged")
    path.replace(damaged)
    assert ends(find_check("spool")) == ("fail", f"cat {damaged}; rm -i {damaged}")


# -- The warehouse.


def test_a_warehouse_that_was_never_made(find_check: FindCheck, control: Control) -> None:
    control.path.unlink()
    assert ends(find_check("warehouse")) == ("fail", "runner init")
    shutil.rmtree(control.path.parent)
    assert ends(find_check("warehouse")) == ("fail", "runner init")
    assert not control.path.parent.exists()


def test_a_warehouse_folder_that_is_none(find_check: FindCheck, control: Control) -> None:
    shutil.rmtree(control.path.parent)
    control.path.parent.write_text("in the way")
    assert ends(find_check("warehouse")) == ("fail", 'export WAREHOUSE_DIR="$HOME/warehouse"')


REMEDY = "mkdir {0}/damaged && mv {1}* {0}/damaged/ && runner init"


def test_a_control_file_that_is_damaged(find_check: FindCheck, control: Control) -> None:
    control.path.write_bytes(b"x" * 20_000)
    path = control.path
    assert ends(find_check("warehouse")) == ("fail", REMEDY.format(path.parent, path))


def test_a_control_file_that_was_cut_off(find_check: FindCheck, control: Control) -> None:
    control.path.write_bytes(control.path.read_bytes()[:100_000])
    path, check = control.path, find_check("warehouse")
    assert "is damaged" in check["detail"]
    assert ends(check) == ("fail", REMEDY.format(path.parent, path))


def test_a_control_file_that_another_program_writes(
    find_check: FindCheck, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.doctor.examine.PATIENCE_SECONDS", 0.3)
    with contextlib.closing(sqlite3.connect(control.path, isolation_level=None)) as other:
        other.execute("begin immediate")
        status, remedy = ends(find_check("warehouse"))
        assert status == "fail" and str(control.path) in remedy


def test_a_tenants_file_that_another_program_holds(
    runner: Callable[..., Result], control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its data is checked once, and the remedy is no repair: that would wait for the same."""
    monkeypatch.setattr("runner.doctor.examine.PATIENCE_SECONDS", 1.0)
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
    failed = [check for check in found if "been open in another program" in check["detail"]]
    assert [(one["name"], *ends(one)) for one in failed] == [
        ("tables", "fail", f"ps -fp {holder.pid}")
    ]
    assert f"(process {holder.pid}): close that program" in failed[0]["detail"]
    assert not {"data", "layers", "export", "freshness"} & {check["name"] for check in found}
    assert {"limits", "runs", "alerts"} <= {check["name"] for check in found}
    assert f"(process {holder.pid}): waiting up to 1 s\n" in result.stderr


def test_a_bigquery_that_does_not_answer_is_reported_at_once(find_check: FindCheck) -> None:
    place = f"http://127.0.0.1:{free_port()}"
    began = time.monotonic()
    check = find_check(
        "warehouse", "--target", "bigquery", GCP_PROJECT="p", BIGQUERY_EMULATOR_HOST=place
    )
    assert ends(check) == ("fail", f"curl -sSI {place}")
    assert time.monotonic() - began < 15


def test_a_central_table_without_a_column(find_check: FindCheck, control: Control) -> None:
    control.sql("alter table tenants.tenant_subscriptions drop column max_team_members")
    check = find_check("tables")
    assert check["detail"] == "tenant_subscriptions lacks max_team_members"
    assert ends(check) == ("fail", "runner tenant repair acme")


def test_without_the_profiles_a_tenant_is_added_again(
    find_check: FindCheck, control: Control
) -> None:
    control.sql("drop table tenants.tenant_profiles")
    remedy = "runner tenant add ID --admin-email E --export REF"
    assert find_check("tables")["detail"] == "tenant_profiles is missing"
    assert ends(find_check("tables")) == ("fail", remedy)
    assert find_check("tenants")["status"] == "fail"


def test_a_tenants_table_without_a_column(find_check: FindCheck, control: Control) -> None:
    control.sql("alter table acme.x_meta_step_logs drop column row_count")
    control.sql("drop table acme.x_meta_alerts")
    check = find_check("tables", "--tenant", "acme")
    assert check["detail"] == "x_meta_step_logs lacks row_count; x_meta_alerts is missing"
    assert ends(check) == ("fail", "runner tenant repair acme")
    # A check that breaks off over it has the same remedy.
    assert ends(find_check("alerts", "--tenant", "acme")) == ("fail", "runner tenant repair acme")


def test_a_lock_without_its_row(find_check: FindCheck, control: Control) -> None:
    control.sql("delete from acme.x_meta_lock")
    check = find_check("tables", "--tenant", "acme")
    assert check["detail"] == "x_meta_lock has no row"
    assert ends(check) == ("fail", "runner tenant repair acme")


def test_a_tenant_without_a_dataset(find_check: FindCheck) -> None:
    check = find_check("tables", "--tenant", "acme")
    assert check["detail"].startswith("x_meta_exports is missing; x_meta_export_columns is missing")
    assert ends(check) == ("fail", "runner tenant repair acme")


def test_a_running_run_has_the_data_to_itself(find_check: FindCheck, control: Control) -> None:
    run_id = control.add_run("RUNNING")
    check = find_check("tables", "--tenant", "acme")
    assert ends(check) == ("warn", f"runner status {run_id} --tenant acme")


def test_a_tenant_that_never_loaded_anything(find_check: FindCheck) -> None:
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    remedy = f"runner run --tenant acme --date {yesterday}"
    assert ends(find_check("data", "--tenant", "acme")) == ("warn", remedy)


def test_data_tables_that_are_gone(find_check: FindCheck, control: Control) -> None:
    control.add_run(day=datetime(2024, 10, 1).date(), to_day=datetime(2024, 10, 3).date())
    check = find_check("data", "--tenant", "acme")
    assert "billing_cost_daily is missing; gcp_silver_cost is missing" in check["detail"]
    assert ends(check) == ("fail", "runner run --tenant acme --from 2024-10-01 --to 2024-10-03")


# -- The clock.


def test_a_row_from_the_future(find_check: FindCheck, control: Control) -> None:
    control.sql(
        "insert into tenants.tenant_usage_events by name"
        " select 'e' as event_id, 'acme' as tenant_id, date('now') as usage_date, ? as occurred_at",
        datetime.now(UTC).replace(tzinfo=None) + timedelta(hours=25),
    )
    assert ends(find_check("clock")) == ("fail", "sudo timedatectl set-ntp true")


def test_a_clock_that_is_not_the_warehouses() -> None:
    then = datetime.now(UTC) + timedelta(seconds=90)
    theirs = SimpleNamespace(store=SimpleNamespace(read=lambda sql: [{"now_at": then}]))
    result = warehouse.clock(Scope(Settings(ROOT, None, {}), lambda: theirs))  # type: ignore[arg-type, return-value]
    assert (result.status, result.remedy) == ("warn", "sudo timedatectl set-ntp true")


# -- Tenants: standing, export, runs, alerts.


def test_a_tenant_that_is_not_there(find_check: FindCheck) -> None:
    check = find_check("tenants", "--tenant", "acmee")
    assert "tenants: acme, globex" in check["detail"]
    assert ends(check) == ("fail", "runner tenant add acmee --admin-email E --export REF")


def test_no_tenants_are_a_warning(find_check: FindCheck, control: Control) -> None:
    control.sql("delete from tenants.tenant_profiles")
    remedy = "runner tenant add ID --admin-email E --export REF"
    assert ends(find_check("tenants")) == ("warn", remedy)


def test_tenants_that_are_billed_for_the_same_charges(
    find_check: FindCheck, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whether dbt can open an export is another check's.
    monkeypatch.setattr(tenant, "_opened", lambda scope: Outcome(True, None))

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
    assert find_check("overlaps")["status"] == "ok"
    add = "runner tenant add {} --admin-email admin@acme.example --export p.d.t"
    for accounts in ((), ("000000-000000-000001", "01ECB7-6EE0BA-7357F1")):
        reads("globex", *accounts)
        check = find_check("overlaps")
        assert "p.d.t are billed to both acme and globex" in check["detail"]
        assert ends(check) == ("warn", f"{add.format('globex')} --billing-account ID")
    assert find_check("overlaps", "--tenant", "acme")["remedy"].startswith(add.format("acme"))
    control.sql("update tenants.tenant_profiles set status = 'DELETED' where tenant_id = 'acme'")
    assert find_check("overlaps")["status"] == "ok"


NEXT_YEAR = datetime.now(UTC).date() + timedelta(days=365)
ENDED = "'2024-01-31'"


@pytest.mark.parametrize(
    ("statement", "detail", "remedy"),
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
        ("subscriptions set daily_limit = null", "at least one of the three is not", "repair acme"),
        ("subscriptions set status = null", "its subscription has no status", "repair acme"),
        (
            "profiles set admin_email = null",
            "its admin email is not valid",
            "update acme --admin-email name@example.com",
        ),
    ],
)
def test_what_refuses_a_tenants_runs(
    find_check: FindCheck, control: Control, statement: str, detail: str, remedy: str
) -> None:
    control.add_run()
    assert find_check("limits", "--tenant", "acme")["status"] == "ok"
    control.sql(f"update tenants.tenant_{statement} where tenant_id = 'acme'")
    check = find_check("limits", "--tenant", "acme")
    assert detail in check["detail"]
    assert ends(check) == ("fail", f"runner tenant {remedy}")


def test_the_limits_remedy_is_one_that_fixes_it(
    find_check: FindCheck, control: Control, runner: Callable[..., Result]
) -> None:
    control.subscribe(daily_limit=1)
    control.add_run()
    assert runner(*find_check("limits", "--tenant", "acme")["remedy"].split()[1:]).exit_code == 0
    assert find_check("limits", "--tenant", "acme")["status"] == "ok"


def test_no_runs_at_once_are_no_matter_of_running_ones(
    find_check: FindCheck, control: Control
) -> None:
    control.subscribe(concurrent_limit=0)
    check = find_check("limits", "--tenant", "acme")
    assert ends(check) == ("fail", "runner tenant update acme --concurrent-limit 10")


def test_too_many_runs_at_once(find_check: FindCheck, control: Control) -> None:
    control.subscribe(concurrent_limit=1)
    control.add_run("RUNNING")
    check = find_check("limits", "--tenant", "acme")
    assert ends(check) == ("fail", "runner runs --tenant acme --status running")


def test_in_a_round_over_all_a_suspended_tenant_is_no_failure(
    find_check: FindCheck, control: Control
) -> None:
    control.sql("update tenants.tenant_profiles set status = 'SUSPENDED' where tenant_id = 'acme'")
    assert ends(find_check("limits")) == ("warn", "runner tenant resume acme")


def test_a_tenant_without_a_subscription(find_check: FindCheck, control: Control) -> None:
    control.sql("delete from tenants.tenant_subscriptions")
    assert ends(find_check("limits", "--tenant", "acme")) == ("fail", "runner tenant repair acme")


def test_a_tenant_without_an_export(find_check: FindCheck) -> None:
    check = find_check("export", "--tenant", "acme")
    assert check["detail"] == "no export is registered"
    # Its own copy is missing too: there is nothing to repair it from.
    remedy = "runner tenant add acme --admin-email E --export REF"
    assert ends(check) == ("fail", remedy)


@pytest.mark.parametrize(
    ("hours", "local", "status", "remedy"),
    [
        (23, False, "ok", None),
        (25, False, "warn", "bq show p:d.t"),
        (49, False, "fail", "bq show p:d.t"),
        (None, False, "fail", "bq show p:d.t"),
        (49, True, "warn", "runner catch-up --tenant acme"),
        (None, True, "warn", "runner catch-up --tenant acme"),
    ],
)
def test_an_export_that_no_longer_grows(
    monkeypatch: pytest.MonkeyPatch,
    hours: int | None,
    local: bool,
    status: str,
    remedy: str | None,
) -> None:
    asked = {}

    def read(tenant: str, sql: str, **values: object) -> list[dict[str, object]]:
        asked.update(values)
        assert "export_partition_time >= @since" in sql
        return [{"newest": datetime.now(UTC) - timedelta(hours=hours) if hours else None}]

    row = {
        "export_ref": "p.d.t",
        "billing_account_ids": "[]",
        "project_ids": "[]",
        "has_unallocated": True,
    }
    store = SimpleNamespace(read=lambda sql, **values: [row] if "tenant_exports" in sql else [])
    context = SimpleNamespace(store=store, dataset=SimpleNamespace(read=read))
    target = Target("t", "duckdb" if local else "bigquery", {})
    monkeypatch.setattr(Settings, "target", lambda *args: target)
    scope = Scope(Settings(ROOT, None, {}), lambda: context, "acme")  # type: ignore[arg-type, return-value]
    result = tenant.freshness(scope)
    assert (result.status, result.remedy) == (status, remedy)
    assert timedelta(days=7) <= datetime.now(UTC) - asked["since"] < timedelta(days=7, minutes=1)


def test_an_export_that_cannot_be_opened_does_not_spoil_the_next(
    control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []

    class Fragile:
        is_alive = True

        def __init__(self, *args: object) -> None:
            events.append("made")

        def warm_up(self) -> None: ...

        def stop(self) -> None:
            events.append("stopped")
            self.is_alive = False

        def run(self, job: Job, timeout: float) -> Outcome:
            assert job.environ["WAREHOUSE_DIR"] == "empty"
            return Outcome("bad" not in job.command[-1], "timed out")

    monkeypatch.setattr(pool, "Worker", Fragile)
    refs = iter(("good", "bad", "good", "good"))
    monkeypatch.setattr(tenants, "exports", lambda *args: [Export(next(refs))])
    scopes = [
        Scope(control.settings, lambda: control.context, "acme", scratch="empty") for _ in range(4)
    ]
    assert [tenant.export(scope).status for scope in scopes] == ["ok", "fail", "ok", "ok"]
    assert events == ["made", "stopped", "made"]


def test_runs_without_a_process(find_check: FindCheck, control: Control) -> None:
    assert find_check("runs", "--tenant", "acme")["detail"] == "0 active, none dead"
    run_id = control.add_run("RUNNING", leased_for=timedelta(minutes=-1))
    check = find_check("runs", "--tenant", "acme")
    assert run_id in check["detail"]
    assert ends(check) == ("warn", "runner runs --tenant acme")


def test_a_run_that_no_service_dequeues(find_check: FindCheck, control: Control) -> None:
    run_id = control.take(queued=True).id
    assert find_check("runs", "--tenant", "acme")["status"] == "ok"
    control.sql(
        "update acme.x_meta_pipeline_runs set start_time = ?",
        (datetime.now(UTC) - timedelta(minutes=20)).replace(tzinfo=None),
    )
    check = find_check("runs", "--tenant", "acme")
    assert run_id in check["detail"] and "has waited for a service" in check["detail"]
    assert ends(check) == ("warn", "runner serve")


def test_a_run_whose_process_has_exited_is_dead_and_its_remedy_closes_it(
    find_check: FindCheck, control: Control, runner: Callable[..., Result]
) -> None:

    run_id = control.add_run("RUNNING")
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    control.sql(
        "update acme.x_meta_pipeline_runs set worker_instance = ?",
        f"{this_host()}:{gone.pid}",
    )
    check = find_check("runs", "--tenant", "acme")
    assert run_id in check["detail"]
    assert runner(*check["remedy"].split()[1:]).exit_code == 0
    assert find_check("runs", "--tenant", "acme")["status"] == "ok"


def add_alert(control: Control, status: str, created: datetime) -> None:
    control.sql(
        "insert into acme.x_meta_alerts by name select ? as alert_id, 'r1' as"
        " pipeline_logging_id, ? as status, '[ALERT] x' as subject, 3 as attempts,"
        " 'refused' as last_error, ? as created_at",
        *(str(uuid.uuid4()), status, created),
    )


def test_an_alert_that_waits(find_check: FindCheck, control: Control) -> None:
    add_alert(control, "PENDING", datetime.now(UTC))
    check = find_check("alerts", "--tenant", "acme")
    assert "'[ALERT] x'" in check["detail"] and "after 3 attempts: refused" in check["detail"]
    assert ends(check) == ("warn", "runner runs --tenant acme")


def test_an_alert_that_was_given_up_fails_for_a_week_and_is_a_warning_for_a_month(
    find_check: FindCheck, control: Control
) -> None:
    remedy = "runner doctor --tenant acme --send-mail"
    add_alert(control, "ABANDONED", datetime.now(UTC) - timedelta(days=29))
    assert ends(find_check("alerts", "--tenant", "acme")) == ("warn", remedy)
    add_alert(control, "ABANDONED", datetime.now(UTC) - timedelta(days=6))
    add_alert(control, "PENDING", datetime.now(UTC))
    assert ends(find_check("alerts", "--tenant", "acme")) == ("fail", remedy)
    control.sql("delete from acme.x_meta_alerts")
    add_alert(control, "ABANDONED", datetime.now(UTC) - timedelta(days=31))
    assert find_check("alerts", "--tenant", "acme")["status"] == "ok"


# -- Mail.


def mail_to(box: Inbox, **more: str) -> dict[str, str]:
    return {
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(box.port),
        "SMTP_TIMEOUT_SECONDS": "5",
        "ALERT_TO": "ops@example.com",
        **more,
    }


def test_a_mail_server_that_takes_mail_gets_none(find_check: FindCheck, inbox: Inbox) -> None:
    assert ends(find_check("mail", **mail_to(inbox))) == ("ok", None)
    assert inbox.mails == []


def test_a_mail_server_that_is_not_named(find_check: FindCheck, inbox: Inbox) -> None:
    remedy = "export SMTP_HOST=smtp.example.com SMTP_PORT=587 SMTP_STARTTLS=1"
    assert ends(find_check("mail")) == ("warn", remedy)
    check = find_check("test mail", "--tenant", "acme", "--send-mail")
    assert ends(check) == ("fail", remedy)


def test_without_alert_to_the_admin_is_mailed(find_check: FindCheck, inbox: Inbox) -> None:
    without, remedy = mail_to(inbox, ALERT_TO=""), "export ALERT_TO=ops@example.com"
    check = find_check("mail", **without)
    assert ends(check) == ("warn", remedy)
    assert "only the tenant's admin" in check["detail"]
    assert ends(find_check("test mail", "--tenant", "acme", "--send-mail", **without)) == (
        "ok",
        None,
    )
    assert [envelope.rcpt_tos for envelope in inbox.mails] == [["admin@acme.example"]]
    result = find_check("test mail", "--send-mail", **without)
    assert ends(result) == ("fail", remedy)


def test_an_address_that_the_server_cannot_take(find_check: FindCheck, control: Control) -> None:
    control.sql("update tenants.tenant_profiles set admin_email = 'é@ex.com'")
    box = Inbox(free_port())
    server = Controller(box, hostname="127.0.0.1", port=box.port, enable_SMTPUTF8=False)
    server.start()
    try:
        check = find_check("test mail", "--tenant", "acme", "--send-mail", **mail_to(box))
    finally:
        server.stop()
    assert "é@ex.com" in check["detail"]
    remedy = "runner tenant update acme --admin-email name@example.com"
    assert ends(check) == ("fail", remedy)


def test_a_mail_server_that_is_down(find_check: FindCheck) -> None:
    port = free_port()
    check = find_check(
        "mail", SMTP_HOST="127.0.0.1", SMTP_PORT=str(port), ALERT_TO="ops@example.com"
    )
    assert ends(check) == ("fail", f"nc -vz 127.0.0.1 {port}")


def test_a_mail_server_without_the_encryption_that_is_asked_for(
    find_check: FindCheck, inbox: Inbox
) -> None:
    check = find_check("mail", **mail_to(inbox, SMTP_STARTTLS="1"))
    remedy = f"curl -v --ssl-reqd smtp://127.0.0.1:{inbox.port}"
    assert ends(check) == ("fail", remedy)


@pytest.fixture
def guarded() -> Iterator[Inbox]:
    """A mail server that refuses every login."""
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


def test_a_mail_server_that_refuses_the_login(find_check: FindCheck, guarded: Inbox) -> None:
    check = find_check("mail", **mail_to(guarded, SMTP_USER="u", SMTP_PASSWORD="not-to-be-shown"))
    assert ends(check) == ("fail", "export SMTP_USER=... SMTP_PASSWORD=...")
    assert "not-to-be-shown" not in json.dumps(check)


def test_a_port_that_is_no_number_is_a_failed_check(find_check: FindCheck) -> None:
    check = find_check("mail", SMTP_HOST="h", SMTP_PORT="smtp", ALERT_TO="ops@example.com")
    assert check["status"] == "fail" and "SMTP_PORT is 'smtp'" in check["detail"]


def test_a_test_mail_goes_to_all_recipients_of_failures(
    find_check: FindCheck, inbox: Inbox
) -> None:
    check = find_check("test mail", "--tenant", "acme", "--send-mail", **mail_to(inbox))
    assert ends(check) == ("ok", None)
    (envelope,) = inbox.mails
    assert sorted(envelope.rcpt_tos) == ["admin@acme.example", "ops@example.com"]
    assert b"[TEST] runner doctor" in envelope.content


@pytest.mark.parametrize(
    ("refused", "remedy"),
    [
        ("admin@acme.example", "runner tenant update acme --admin-email name@example.com"),
        ("ops@example.com", "export ALERT_TO=ops@example.com"),
    ],
)
def test_a_recipient_that_is_refused(
    find_check: FindCheck, inbox: Inbox, refused: str, remedy: str
) -> None:
    inbox.refuses = {refused}
    check = find_check("test mail", "--tenant", "acme", "--send-mail", **mail_to(inbox))
    assert refused in check["detail"]
    assert ends(check) == ("fail", remedy)


# -- The command.


def test_a_check_that_breaks_off_is_a_failure_and_the_others_go_on(
    find_check: FindCheck, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(path: object) -> None:
        raise RuntimeError("first line\nsecond line")

    monkeypatch.setattr(shutil, "disk_usage", broken)
    check = find_check("disk")
    assert check["detail"] == "RuntimeError: first line"
    assert ends(check) == ("fail", "runner doctor --verbose")
    assert find_check("mail")["status"] == "warn"


def test_each_remedy_stands_on_a_line_of_its_own() -> None:
    found = [
        CheckResult("ok", "7 GB free", name="disk"),
        CheckResult("fail", "tenant is\nsuspended", "runner tenant resume acme", "limits", "acme"),
    ]
    assert checks(found).splitlines() == [
        "ok    disk         7 GB free",
        "fail  limits acme  tenant is suspended",
        "      remedy: runner tenant resume acme",
        "1 ok, 0 warn, 1 fail",
    ]
    assert document(found)["ok"] is False
    assert list(document(found)["checks"][0]) == ["name", "status", "detail", "remedy", "tenant"]


def test_what_needs_a_failed_check_is_skipped_and_of_a_tenant_left_out(control: Control) -> None:
    def unreachable(scope: Scope) -> CheckResult:
        raise WarehouseUnreachable("it is held (process 7)")

    checks = (
        Check("first", lambda scope: fail("x")),
        Check("second", lambda scope: ok("y"), needs=("first",)),
        Check("third", lambda scope: ok("y"), needs=("second",)),
        Check("fourth", lambda scope: warn("y")),
        Check("fifth", lambda scope: ok("y"), needs=("fourth",)),
        Check("sixth", lambda scope: ok("y"), needs=(ANSWER,)),
        Check("held", unreachable),
        Check("last", lambda scope: ok("y"), needs=(ANSWER,)),
    )
    scope = Scope(control.settings, lambda: control.context)
    details = {one.name: one.detail for one in CheckRunner().run(checks, scope)}
    assert details["second"] == "skipped: fix 'first' first"
    assert details["third"] == "skipped: fix 'second' first"
    assert details["fifth"] == details["sixth"] == "y"
    results = CheckRunner("acme").run(checks, scope)
    assert [one.name for one in results] == ["first", "fourth", "fifth", "sixth", "held"]
    assert (results[-1].remedy, results[-1].tenant) == ("ps -fp 7", "acme")


def test_a_remedy_names_the_target_that_was_named(find_check: FindCheck, control: Control) -> None:
    control.path.unlink()
    assert find_check("warehouse", "--target", "local")["remedy"] == "runner init --target local"


def test_doctor_takes_no_tenant_that_could_not_be_one(runner: Callable[..., Result]) -> None:
    assert runner("doctor", "--tenant", "a; drop table x").exit_code == 2


def test_doctor_changes_nothing(find_check: FindCheck, control: Control) -> None:
    spool.keep(control.settings, "acme", (), {})
    control.add_run("RUNNING", leased_for=timedelta(minutes=-1))
    before = control.sql("select * from acme.x_meta_pipeline_runs")
    find_check("runs", "--tenant", "acme")
    assert control.sql("select * from acme.x_meta_pipeline_runs") == before
    assert len(spool.waiting(control.settings)) == 1


@pytest.mark.parametrize(
    ("remedy", "printed"),
    [
        ("runner catch-up --tenant T", "runner catch-up --tenant T --target prod"),
        ("runner a && runner b", "runner a --target prod && runner b --target prod"),
        ("runner run --date D  # fewer", "runner run --date D --target prod  # fewer"),
        ("bq show p:d.t", "bq show p:d.t"),
    ],
)
def test_a_remedy_has_the_callers_target(remedy: str, printed: str) -> None:
    scope = Scope(Settings(ROOT, "prod", {}), lambda: None)  # type: ignore[arg-type, return-value]
    one = check.Check("x", lambda scope: check.fail("wrong", remedy))
    (result,) = check.CheckRunner().run([one], scope)
    assert result.remedy == printed
