"""The project in a folder of its own: copied once, upgraded when asked, never over a change."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from runner.errors import UsageProblem
from runner.onboarding import project


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a wheel of version 1 ships."""
    folder = tmp_path / "wheel"
    for name in ("dbt_project.yml", "models/a.sql", "models/b.sql", "models/c.sql", ".gitignore"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"{name} of version 1")
    monkeypatch.setattr(project, "IN_WHEEL", folder)
    monkeypatch.setattr(project, "__version__", "1")
    return folder


@pytest.fixture
def ours(wheel: Path, tmp_path: Path) -> Path:
    """A project made by version 1; its analyst has changed one file, removed one and added one."""
    folder = tmp_path / "ours"
    assert project.sync(folder, False) == [f"project         {folder} was created, version 1"]
    (folder / "models/b.sql").write_text("changed")
    (folder / "models/c.sql").unlink()
    (folder / "models/own.sql").write_text("own")
    return folder


def texts(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != project.RECORD]
    return {path.relative_to(folder).as_posix(): path.read_text() for path in files}


def newer(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Version 2: all files have changed, one is new, one has the name of the analyst's own."""
    monkeypatch.setattr(project, "__version__", "2")
    for path in [path for path in wheel.rglob("*") if path.is_file()]:
        path.write_text(path.read_text().replace("1", "2"))
    (wheel / "models/new.sql").write_text("new")
    (wheel / "models/own.sql").write_text("of the same name")
    (wheel / ".gitignore").unlink()


def test_a_new_folder_gets_all_and_a_second_init_changes_nothing(wheel: Path, ours: Path) -> None:
    assert texts(ours) == {
        **{name: text for name, text in texts(wheel).items() if name != "models/c.sql"},
        "models/b.sql": "changed",
        "models/own.sql": "own",
    }
    before = texts(ours)
    for upgrade in (False, True):
        (line,) = project.sync(ours, upgrade)
        assert line.endswith("is up to date, version 1") and texts(ours) == before


def test_a_newer_version_first_lists_what_it_would_change(
    wheel: Path, ours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer(wheel, monkeypatch)
    before = texts(ours)
    head, *lines = project.sync(ours, False)
    assert head.endswith("can be upgraded with --upgrade from version 1 to 2:")
    compare = {name: f"compare: diff -u {ours}/{name} {wheel}/{name}" for name in before}
    assert lines == [
        "  change  models/a.sql",
        "  add     models/new.sql",
        "  change  dbt_project.yml",
        "  remove  .gitignore",
        f"  keep    models/b.sql, which you changed; {compare['models/b.sql']}",
        f"  keep    models/own.sql, which you changed; {compare['models/own.sql']}",
    ]
    assert texts(ours) == before, "nothing was changed"


def test_an_upgrade_leaves_what_the_analyst_changed_removed_and_added(
    wheel: Path, ours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer(wheel, monkeypatch)
    assert "was upgraded from version 1 to 2" in project.sync(ours, True)[0]
    assert texts(ours) == {
        "dbt_project.yml": "dbt_project.yml of version 2",
        "models/a.sql": "models/a.sql of version 2",
        "models/b.sql": "changed",
        "models/new.sql": "new",
        "models/own.sql": "own",
    }
    (line,) = project.sync(ours, False)
    assert line.endswith("is up to date, version 2")


def test_an_init_that_broke_off_is_completed_by_the_next(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every file: a half-made folder is no project yet, so nothing of it counts as removed."""
    write, folder = project._write, tmp_path / "broken"

    def breaking(left: int) -> Callable[[Path, Iterable[tuple[str, bytes]]], None]:
        def breaks(folder: Path, files: Iterable[tuple[str, bytes]]) -> None:
            write(folder, list(files)[:left])
            raise OSError("no space left")

        return breaks

    for files in range(len(texts(wheel)) + 2):
        monkeypatch.setattr(project, "_write", breaking(files))
        with pytest.raises(UsageProblem, match=r"broken cannot be read or written \(no space left"):
            project.sync(folder, False)
        if (folder / "dbt_project.yml").exists():
            break
    monkeypatch.setattr(project, "_write", write)
    project.sync(folder, False)
    assert texts(folder) == texts(wheel)
    assert project.sync(folder, False)[0].endswith("is up to date, version 1")


def test_a_project_of_another_user_is_not_changed(wheel: Path, tmp_path: Path) -> None:
    (tmp_path / "dbt_project.yml").write_text("theirs")
    assert project.sync(tmp_path, True) == []
    assert (tmp_path / "dbt_project.yml").read_text() == "theirs"
    assert not (tmp_path / "models").exists()


def test_a_folder_that_cannot_be_written_is_one_sentence(wheel: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageProblem, match=r"^The project .*/file cannot be read or written \("):
        project.sync(tmp_path / "file", False)


def test_a_checkout_ships_what_a_wheel_does(tmp_path: Path) -> None:
    """Every file of the dbt project that git keeps, and nothing that a run left behind."""
    project.sync(tmp_path / "made", False)
    made = {path.relative_to(tmp_path / "made") for path in (tmp_path / "made").rglob("*.*")}
    for name in (
        "dbt_project.yml",
        "models/marts/cost/cost_daily.sql",
        "macros/money/money.sql",
        "dbt_project/docs/bigquery.md",
        "dbt_project/seeds/budgets.csv",
        "tests/dbt/generic/expectations.sql",
        "profiles.yml.example",
        ".gitignore",
    ):
        assert Path(name) in made
    examples = Path("dbt_project/examples")
    assert {path.parent for path in made if path.suffix in (".pyc", ".py")} == {examples}
