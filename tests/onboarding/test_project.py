"""The project in a folder of its own: copied once, upgraded when asked, never over a change."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from support import ROOT

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
        head, _ = project.sync(ours, upgrade)
        assert head.endswith("is up to date, version 1") and texts(ours) == before


def test_a_removed_file_is_listed_with_the_command_that_restores_it(ours: Path) -> None:
    """The command works as printed, also when the folder is gone and has a blank in its name."""
    moved = ours.rename(ours.with_name("with blank"))
    shutil.rmtree(moved / "models")
    _, *lines = project.sync(moved, False)
    assert [line.partition(";")[0] for line in lines] == [
        f"  removed models/{name}.sql, by you" for name in "abc"
    ]
    for line in lines:
        subprocess.run(line.partition("restore it: ")[2], shell=True, check=True)
    assert (moved / "models/c.sql").read_text() == "models/c.sql of version 1"
    assert len(project.sync(moved, False)) == 1


def test_what_pip_compiles_in_the_package_is_not_of_the_project(wheel: Path, ours: Path) -> None:
    """pip compiles every Python file that it installs, the examples' too."""
    compiled = wheel / "dbt_project/examples/__pycache__/backup.cpython-311.pyc"
    compiled.parent.mkdir(parents=True)
    compiled.write_text("compiled")
    assert project.sync(ours, False)[0].endswith("is up to date, version 1")
    project.sync(ours.with_name("new"), False)
    assert not (ours.with_name("new") / "dbt_project").exists()


def test_a_newer_version_first_lists_what_it_would_change(
    wheel: Path, ours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer(wheel, monkeypatch)
    before = texts(ours)
    head, *lines = project.sync(ours, False)
    assert head.endswith("can be upgraded with --upgrade from version 1 to 2:")
    compare = {name: f"compare: diff -u {ours}/{name} {wheel}/{name}" for name in before}
    restore = f"mkdir -p {ours}/models && cp {wheel}/models/c.sql {ours}/models/c.sql"
    assert lines == [
        "  remove  .gitignore",
        "  change  models/a.sql",
        f"  keep    models/b.sql, which you changed; {compare['models/b.sql']}",
        f"  removed models/c.sql, by you; restore it: {restore}",
        "  add     models/new.sql",
        f"  keep    models/own.sql, which you changed; {compare['models/own.sql']}",
        "  change  dbt_project.yml",
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
    assert project.sync(ours, False)[0].endswith("is up to date, version 2")


def test_a_changed_file_that_the_new_version_does_not_have_stays_and_is_listed(
    wheel: Path, ours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until the analyst removes it: dbt would read its model twice when it was moved."""
    newer(wheel, monkeypatch)
    (wheel / "models/b.sql").rename(wheel / "models/moved.sql")
    kept = (
        "  keep    models/b.sql, which you changed; it was moved or dropped: move your changes,"
        " remove it"
    )
    for head, upgrade in (("can be", False), ("was", True), ("is up to date", False)):
        first, *lines = project.sync(ours, upgrade)
        assert head in first and kept in lines
    assert (ours / "models/b.sql").read_text() == "changed"
    (ours / "models/b.sql").unlink()
    assert kept not in project.sync(ours, True)


def test_an_upgrade_keeps_the_mode_of_a_file(
    wheel: Path, ours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer(wheel, monkeypatch)
    (ours / "models/a.sql").chmod(0o640)
    project.sync(ours, True)
    assert (ours / "models/a.sql").read_text() == "models/a.sql of version 2"
    assert (ours / "models/a.sql").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("written", range(3))
def test_an_upgrade_on_a_full_disk_loses_no_model_and_leaves_no_partial_file(
    wheel: Path, ours: Path, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    """A moved model is written at its new path before it is removed at the old one."""
    newer(wheel, monkeypatch)
    (wheel / "models/a.sql").rename(wheel / "models/z.sql")
    write, left = Path.write_bytes, [written]

    def until_full(path: Path, content: bytes) -> int:
        left[0] -= 1
        if left[0] < 0:
            write(path, content[:3])
            raise OSError(28, "No space left on device")
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", until_full)
    with pytest.raises(UsageProblem, match=r"No space left on device\): correct that"):
        project.sync(ours, True)
    assert (ours / "models/a.sql").exists()
    assert not [path for path in ours.rglob("*") if re.search(r"\.\d+$", path.name)]
    monkeypatch.setattr(Path, "write_bytes", write)
    project.sync(ours, True)
    assert not (ours / "models/a.sql").exists() and (ours / "models/z.sql").exists()
    assert project.sync(ours, False)[0].endswith("is up to date, version 2")


def test_a_folder_of_another_user_is_not_upgraded(
    wheel: Path, ours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer(wheel, monkeypatch)
    before, owner = texts(ours), ours.stat().st_uid
    monkeypatch.setattr(os, "getuid", lambda: owner + 1)
    with pytest.raises(UsageProblem, match=f"belongs to user {owner}: run this as that user"):
        project.sync(ours, True)
    assert "can be upgraded" in project.sync(ours, False)[0] and texts(ours) == before


def test_symlinks_are_the_users(
    wheel: Path, ours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A linked file is not replaced, and nothing is written behind a linked folder."""
    elsewhere = tmp_path / "elsewhere"
    (ours / "models").rename(elsewhere)
    (ours / "models").symlink_to(elsewhere)
    (ours / ".gitignore").rename(elsewhere / "ignored")
    (ours / ".gitignore").symlink_to(elsewhere / "ignored")
    newer(wheel, monkeypatch)
    before = texts(elsewhere)
    lines = project.sync(ours, True)
    assert texts(elsewhere) == before and (ours / ".gitignore").is_symlink()
    for name in (".gitignore", "models/a.sql", "models/new.sql"):
        assert [line for line in lines if line.startswith(f"  keep    {name}, which you changed")]


@pytest.mark.parametrize("written", range(7))
def test_an_init_that_broke_off_is_completed_by_the_next(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    """At every write: nothing of a half-made project counts as removed or changed."""
    write, folder, left = project._write, tmp_path / "broken", iter(range(written))

    def breaks(path: Path, content: bytes) -> None:
        if next(left, None) is None:
            raise OSError("no space left")
        write(path, content)

    assert len(texts(wheel)) + 2 == 7, "the files, and the record before and after them"
    monkeypatch.setattr(project, "_write", breaks)
    with pytest.raises(UsageProblem, match=r"broken cannot be read or written \(no space left"):
        project.sync(folder, False)
    monkeypatch.setattr(project, "_write", write)
    assert (folder / "dbt_project.yml").exists() == (written == 6), "before, it is no project"
    if written:
        before = texts(folder)
        (checked,) = project.sync(folder, False, is_check=True)
        assert checked.endswith("is not complete: --upgrade completes it")
        assert texts(folder) == before, "a check writes nothing"
    (created,) = project.sync(folder, False)
    assert created.endswith("was created, version 1")
    assert texts(folder) == texts(wheel)
    assert project.sync(folder, False)[0].endswith("is up to date, version 1")


def test_a_project_that_lost_the_file_that_makes_it_one_is_restored_as_printed(ours: Path) -> None:
    (ours / "dbt_project.yml").unlink()
    for upgrade in (False, True):
        with pytest.raises(UsageProblem, match=r"no dbt_project\.yml: restore it: cp ") as lost:
            project.sync(ours, upgrade)
    subprocess.run(lost.value.message.partition("restore it: ")[2], shell=True, check=True)
    assert project.sync(ours, False)[0].endswith("is up to date, version 1")


def test_another_dbt_project_is_refused(wheel: Path, tmp_path: Path) -> None:
    (tmp_path / "dbt_project.yml").write_text("name: theirs")
    for upgrade in (False, True):
        with pytest.raises(UsageProblem, match=r"`runner init` did not make .* or name another"):
            project.sync(tmp_path, upgrade)
    assert (tmp_path / "dbt_project.yml").read_text() == "name: theirs"
    assert not (tmp_path / "models").exists()


def test_a_project_without_a_record_is_a_checkout_which_git_upgrades(
    wheel: Path, tmp_path: Path
) -> None:
    shutil.copy(ROOT / "dbt_project.yml", tmp_path)
    assert project.sync(tmp_path, False) == []
    with pytest.raises(UsageProblem, match=r"no \.runner\.json\): update a checkout with git"):
        project.sync(tmp_path, True)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "1", '{"version": "1"}', '{"version": 1, "files": 2}']
)
def test_a_record_that_is_not_valid_is_named(ours: Path, text: str) -> None:
    (ours / project.RECORD).write_text(text)
    for upgrade in (False, True):
        with pytest.raises(UsageProblem, match=r"ours/\.runner\.json is not a valid record"):
            project.sync(ours, upgrade)


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
