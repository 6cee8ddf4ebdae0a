"""Where things are: the environment, and every way in which profiles.yml can be broken."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from compiled_once import SYSTEM
from support import ROOT

from runner import settings
from runner.cli.app import cli
from runner.errors import UsageProblem
from runner.settings import Settings


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder that passes as a project, with the example profile."""
    shutil.copyfile(ROOT / "profiles.yml.example", tmp_path / "profiles.yml")
    (tmp_path / "dbt_project.yml").write_text("name: gcp_tenant_cost\n")
    return tmp_path


def at(project: Path, target: str | None = None, **environ: str) -> settings.Settings:
    return settings.Settings(project, target, environ)


def reported(found: settings.Settings) -> str:
    with pytest.raises(UsageProblem) as caught:
        found.target({"tenant_id": "acme"})
    message = caught.value.message
    assert caught.value.exit_code == 2
    assert str(found.profiles_path) in message, "the sentence names the file"
    assert "\n" not in message and ":" in message
    return message


def test_the_example_profile_names_a_file_per_tenant(project: Path) -> None:
    found = at(project, WAREHOUSE_DIR="/data/wh").target({"tenant_id": "acme"})
    assert (found.name, found.type) == ("local", "duckdb")
    assert found.fields["path"] == "/data/wh/tenant_acme.duckdb"


def test_without_warehouse_dir_the_warehouse_is_in_the_project(project: Path) -> None:
    found = at(project).target({"tenant_id": "acme"})
    assert found.fields["path"] == str(project / "warehouse" / "tenant_acme.duckdb")


@pytest.mark.parametrize(
    ("environ", "found"),
    [
        ({"GOOGLE_CLOUD_PROJECT": "theirs"}, "theirs"),
        ({"GOOGLE_CLOUD_PROJECT": "theirs", "GCP_PROJECT": ""}, "theirs"),
        ({"GOOGLE_CLOUD_PROJECT": "theirs", "GCP_PROJECT": "ours"}, "ours"),
        ({}, "set-GCP_PROJECT"),
    ],
)
def test_googles_own_variable_names_the_project_unless_ours_does(
    project: Path, environ: dict[str, str], found: str
) -> None:
    assert at(project, "bigquery", **environ).target().fields["project"] == found


def test_the_example_profile_renders_for_bigquery_from_the_environment(project: Path) -> None:
    found = at(project, "bigquery", GCP_PROJECT="my-project", BIGQUERY_LOCATION="EU").target()
    assert (found.type, found.fields["project"], found.fields["location"]) == (
        "bigquery",
        "my-project",
        "EU",
    )


def test_dbt_target_in_the_environment_chooses_the_target(project: Path) -> None:
    assert at(project, DBT_TARGET="bigquery").target().name == "bigquery"


def test_a_missing_profile_names_the_command_that_makes_it(tmp_path: Path) -> None:
    assert "runner init" in reported(at(tmp_path))


def test_bad_yaml_is_reported_with_its_line(project: Path) -> None:
    (project / "profiles.yml").write_text("gcp_tenant_cost:\n  target: local\n  outputs: [\n")
    message = reported(at(project))
    assert "line 4" in message and "not valid YAML" in message


def test_a_tab_in_the_profile_is_reported_with_its_line(project: Path) -> None:
    (project / "profiles.yml").write_text("gcp_tenant_cost:\n\ttarget: local\n")
    assert "line 2" in reported(at(project))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- a\n- b\n",
        "just text",
        "other_profile: {outputs: {local: {type: duckdb}}}",
        "gcp_tenant_cost: {target: local}",
        "gcp_tenant_cost: {target: local, outputs: }",
        "gcp_tenant_cost: {target: local, outputs: [local]}",
    ],
)
def test_a_profile_without_ours_points_at_the_example(project: Path, text: str) -> None:
    (project / "profiles.yml").write_text(text)
    assert "profiles.yml.example" in reported(at(project))


def test_an_empty_target_points_at_the_example(project: Path) -> None:
    (project / "profiles.yml").write_text("gcp_tenant_cost: {target: x, outputs: {x: }}")
    assert "'x' is empty" in reported(at(project))


def test_an_unknown_target_is_answered_with_those_there_are(project: Path) -> None:
    message = reported(at(project, "prod"))
    assert "'prod'" in message and "local, bigquery" in message


def test_a_type_this_project_does_not_run_on_is_named(project: Path) -> None:
    (project / "profiles.yml").write_text(
        "gcp_tenant_cost: {target: x, outputs: {x: {type: postgres}}}"
    )
    assert "'postgres'" in reported(at(project))


def test_a_target_without_a_type_is_reported(project: Path) -> None:
    (project / "profiles.yml").write_text("gcp_tenant_cost: {target: x, outputs: {x: {path: y}}}")
    assert "type" in reported(at(project))


def test_a_duckdb_target_without_a_path_is_reported(project: Path) -> None:
    from runner.context import open_context

    (project / "profiles.yml").write_text(
        "gcp_tenant_cost: {target: x, outputs: {x: {type: duckdb}}}"
    )
    with pytest.raises(UsageProblem, match="path"):
        open_context(at(project)).exists()


def test_an_environment_variable_that_is_not_set_is_named(project: Path) -> None:
    (project / "profiles.yml").write_text(
        "gcp_tenant_cost: {target: x, outputs: {x: {type: duckdb, path: \"{{ env_var('WH') }}\"}}}"
    )
    assert "WH" in reported(at(project))
    assert at(project, WH="/w").target().fields["path"] == "/w"


@pytest.mark.parametrize("expression", ["{{ nonsense }}", "{{ env_var('A' }}", "{{ 1 / 0 }}"])
def test_jinja_that_cannot_be_rendered_is_shown(project: Path, expression: str) -> None:
    (project / "profiles.yml").write_text(
        f'gcp_tenant_cost: {{target: x, outputs: {{x: {{type: duckdb, path: "{expression}"}}}}}}'
    )
    assert expression in reported(at(project))


def test_a_profile_that_is_no_text_is_reported(project: Path) -> None:
    (project / "profiles.yml").write_bytes(b"\xff\xfe\x00broken")
    assert "cannot be read" in reported(at(project))


def test_a_profile_that_is_a_folder_is_reported(project: Path) -> None:
    (project / "profiles.yml").unlink()
    (project / "profiles.yml").mkdir()
    assert "cannot be read" in reported(at(project))


@pytest.mark.parametrize(
    "name", ["DBT_PROFILES_DIR", "WAREHOUSE_DIR", "RUNNER_LOG_DIR", "RUNNER_TARGET_DIR"]
)
def test_a_relative_folder_means_the_callers_working_directory(
    project: Path, tmp_path: Path, name: str
) -> None:
    """dbt runs with the project as its working directory, so a relative path must not survive."""
    found = at(project, **{name: "elsewhere"})
    folder = {
        "DBT_PROFILES_DIR": found.profiles_path.parent,
        "WAREHOUSE_DIR": found.warehouse_dir,
        "RUNNER_LOG_DIR": found.log_dir,
        "RUNNER_TARGET_DIR": found.dbt_target_dir,
    }[name]
    assert folder == Path.cwd() / "elsewhere"


def test_a_relative_project_dir_is_made_absolute(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.parent)
    assert settings.load(project.name, None).project_dir == project


def test_a_folder_that_is_no_project_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match=r"no dbt_project\.yml.*--project-dir"):
        settings.load(str(tmp_path), None)


def test_outside_of_a_project_the_runner_finds_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert (settings.load(None, None).project_dir / "dbt_project.yml").exists()


@pytest.mark.parametrize("port", ["smtp", "-1", "70000", "²", "25 "])
def test_a_port_that_is_none_is_refused_before_a_mail_needs_it(project: Path, port: str) -> None:
    with pytest.raises(UsageProblem, match="SMTP_PORT"):
        assert at(project, SMTP_PORT=port).mail.port in range(1, 65536)


def test_alert_to_is_a_list_with_commas_or_semicolons(project: Path) -> None:
    mail = at(project, ALERT_TO="a@x.co, b@x.co;c@x.co,,").mail
    assert mail.alert_to == ("a@x.co", "b@x.co", "c@x.co")


def test_an_alert_to_that_is_no_address_is_refused_with_its_name(project: Path) -> None:
    with pytest.raises(UsageProblem, match=r"ALERT_TO has 'ops', .*ops@example.com"):
        assert at(project, ALERT_TO="a@x.co,ops").mail


def test_no_mail_server_is_named_without_smtp_host(project: Path) -> None:
    mail = at(project).mail
    assert (mail.host, mail.port, mail.alert_to) == ("", 25, ())


def test_the_home_folder_does_not_matter(tmp_path: Path) -> None:
    """No HOME at all, and one that cannot be written."""
    for home in ({}, {"HOME": "/dev/null"}):
        answer = subprocess.run(
            [sys.executable, "-m", "runner", "--help"],
            cwd=tmp_path,
            env={**SYSTEM, **home},
            capture_output=True,
            text=True,
        )
        assert answer.returncode == 0, answer.stderr


@pytest.mark.parametrize("name", ["WAREHOUSE_DIR", "RUNNER_LOG_DIR", "RUNNER_TARGET_DIR"])
def test_a_folder_that_every_user_may_write_is_refused_before_anything_is_done(
    tmp_path: Path, name: str
) -> None:
    """dbt runs what stands in its target folder, and a link among the logs leads anywhere."""
    folder, elsewhere = tmp_path / "folder", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.write_text("kept")
    (folder / "runner.jsonl").symlink_to(elsewhere)
    folder.chmod(0o777)
    answer = CliRunner().invoke(cli, ["quota", "--tenant", "acme"], env={name: str(folder)})
    assert answer.exit_code == 2
    assert f"run chmod o-w {folder}, or name another folder with {name}" in answer.stderr
    assert elsewhere.read_text() == "kept"
    folder.chmod(0o755)
    answer = CliRunner().invoke(cli, ["quota", "--tenant", "acme"], env={name: str(folder)})
    assert "can be written by every user" not in answer.stderr


def test_a_folder_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = tmp_path.stat().st_uid
    monkeypatch.setattr(os, "getuid", lambda: owner + 1)
    if owner == 0:  # root may read everything of this user's anyway
        os.chown(tmp_path, 4711, -1)
    with pytest.raises(UsageProblem, match="belongs to user"):
        Settings(tmp_path, None, {"WAREHOUSE_DIR": str(tmp_path)}).require_own_folders()
