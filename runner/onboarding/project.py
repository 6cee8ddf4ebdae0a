"""The dbt project in a user's folder: the package's files, and those that analysts changed."""

import hashlib
import json
import os
import shlex
import tomllib
from collections.abc import Iterable
from pathlib import Path

from runner import __version__
from runner.errors import UsageProblem

# The record of the copied files: {"version": …, "files": {path: SHA-256}}.
RECORD = ".runner.json"
EMPTY = '{"version": "none", "files": {}}'
PROJECT = "dbt_project.yml"
PACKAGE = Path(__file__).resolve().parent.parent
IN_WHEEL = PACKAGE / "project"


def sync(folder: Path, upgrade: bool) -> list[str]:
    """Copy the project to a folder without one; returns lines that list the changes.

    Files that the user changed or removed are not touched. `upgrade`: replace the others by this
    version's; without it, they are only listed. Raises UsageProblem.
    """
    is_new = not (folder / PROJECT).exists()
    if not is_new and not (folder / RECORD).exists():
        return []  # a checkout, or a project that was not made by this command
    shipped = _shipped()
    try:
        text = EMPTY if is_new else (folder / RECORD).read_text(encoding="utf-8")
        version, known = json.loads(text)["version"], json.loads(text)["files"]
        copied, removed, kept = _plan(folder, shipped, known)
        if is_new or upgrade:
            for path in removed:
                (folder / path).unlink()
            digests = {path: _digest(source) for path, source in sorted(shipped.items())}
            text = json.dumps({"version": __version__, "files": digests}, indent=1)
            files = [(path, shipped[path].read_bytes()) for path in copied]
            # Whatever interrupts it, it can be repeated: a project is one once it has PROJECT.
            files.insert(copied.index(PROJECT) if is_new else len(files), (RECORD, text.encode()))
            _write(folder, files)
    except (OSError, ValueError, KeyError) as error:
        raise UsageProblem(f"The project {folder} cannot be read or written ({error}).") from None
    yours = [
        f"  keep    {path}, which you changed; compare: "
        + shlex.join(["diff", "-u", str(folder / path), str(shipped[path])])
        for path in kept
    ]
    if is_new:
        return [f"project         {folder} was created, version {__version__}", *yours]
    if not (copied or removed or kept):
        return [f"project         {folder} is up to date, version {__version__}"]
    done = "was upgraded" if upgrade else "can be upgraded with --upgrade"
    return [
        f"project         {folder} {done} from version {version} to {__version__}:",
        *(f"  {'change' if path in known else 'add   '}  {path}" for path in copied),
        *(f"  remove  {path}" for path in removed),
        *yours,
    ]


def _shipped() -> dict[str, Path]:
    """The project's files by their paths: from the wheel, or else from the checkout."""
    folders = {".": IN_WHEEL}
    if not IN_WHEEL.is_dir():
        build = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8"))
        wheel = build["tool"]["hatch"]["build"]["targets"]["wheel"]
        names = (*wheel["sources"], *wheel["force-include"])
        folders = {name: PACKAGE.parent / name for name in names}
    return {
        os.path.normpath(Path(name) / path.relative_to(root)): path
        for name, root in folders.items()
        for path in (root.rglob("*") if root.is_dir() else [root])
        if path.is_file()
    }


def _plan(
    folder: Path, shipped: dict[str, Path], known: dict[str, str]
) -> tuple[list[str], list[str], list[str]]:
    """The paths to copy, to remove, and to keep because the user changed the file."""
    copied, removed, kept = [], [], []
    for path in sorted({*shipped, *known}, key=lambda path: (path == PROJECT, path)):
        there, new, old = _digest(folder / path), _digest(shipped.get(path)), known.get(path)
        if there == old and new is None:
            removed += [path] if there else []
        elif there == old and there != new:
            copied.append(path)
        elif there and new and there != new and new != old:
            kept.append(path)
    return copied, removed, kept


def _write(folder: Path, files: Iterable[tuple[str, bytes]]) -> None:
    """Each file complete or not at all."""
    for name, content in files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        partial.write_bytes(content)
        partial.replace(path)


def _digest(path: Path | None) -> str | None:
    """SHA-256 of a file; None when it does not exist."""
    if path is None or not path.is_file():
        return None
    return hashlib.sha256(path.read_bytes()).hexdigest()
