"""The hash by which a run knows that a tenant's dataset has what the project has."""

from pathlib import Path

import pytest

from runner.dataset import deployment


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "a.sql").write_text("select 1")
    (tmp_path / "docs").mkdir()
    (tmp_path / "dbt_project.yml").write_text('model-paths: ["models"]\n')
    return tmp_path


def of(project: Path, adapter: str = "duckdb", selector: str = "all") -> str:
    return deployment.project_hash(project, adapter, selector)


def test_it_is_the_same_for_the_same_project(project: Path) -> None:
    before = of(project)
    (project / "docs" / "notes.md").write_text("not built from")
    (project / "models" / "a.sql").touch()
    assert of(project) == before


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("models/a.sql", "select 2"),
        ("models/b.sql", "select 1"),
        ("dbt_project.yml", 'model-paths: ["models"]\nvars: {a: 1}\n'),
        ("selectors.yml", "selectors: []"),
    ],
)
def test_it_changes_with_what_dbt_reads(project: Path, path: str, text: str) -> None:
    before = of(project)
    (project / path).write_text(text)
    assert of(project) != before


def test_a_renamed_file_is_another_model(project: Path) -> None:
    before = of(project)
    (project / "models" / "a.sql").rename(project / "models" / "c.sql")
    assert of(project) != before


def test_it_changes_with_dbt_the_adapter_and_the_selector(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {of(project), of(project, "bigquery"), of(project, selector="some")}
    monkeypatch.setattr(deployment, "version", lambda package: "0.0")
    deployment._versions.cache_clear()
    found.add(of(project))
    deployment._versions.cache_clear()
    assert len(found) == 4
