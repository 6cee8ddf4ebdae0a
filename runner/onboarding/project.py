"""The dbt project in a user's folder: the package's files, and those that analysts changed."""

import hashlib
import json
import os
import re
import shlex
import shutil
import tomllib
from collections.abc import Mapping
from pathlib import Path

from runner import __version__
from runner.errors import UsageProblem
from runner.settings import PROFILE

# The record of the copied files: {"version": …, "files": {path: SHA-256}}.
RECORD = ".runner.json"
PROJECT = "dbt_project.yml"
PACKAGE = Path(__file__).resolve().parent.parent
IN_WHEEL = PACKAGE / "project"
# What is done with a path, as it is printed.
ADD, CHANGE, REMOVE = "add     {path}", "change  {path}", "remove  {path}"
KEEP = "keep    {path}, which you changed; compare: diff -u {ours} {new}"
MOVE = "keep    {path}, which you changed; it was moved or dropped: move your changes, remove it"
LOST = "removed {path}, by you; restore it: mkdir -p {parent} && cp {new} {ours}"


def sync(folder: Path, upgrade: bool, is_check: bool = False) -> list[str]:
    """Copy the project to a folder without one; returns lines that list the changes.

    Files that the user changed or removed are not touched. `upgrade`: replace the others by this
    version's; without it, they are only listed. `is_check`: write nothing. A checkout has no lines.
    Raises UsageProblem.
    """
    try:
        if os.path.lexists(folder / PROJECT) and not (folder / RECORD).exists():
            text = (folder / PROJECT).read_text(encoding="utf-8")
            if not upgrade and re.search(rf"""(?m)^name: *["']?{PROFILE}\b""", text):
                return []  # a checkout
            problem = f"{folder} has a dbt project that `runner init` did not make (no {RECORD})"
            raise UsageProblem(f"{problem}: update a checkout with git, or name another folder.")
        shipped, (version, known) = _shipped(), _record(folder / RECORD)
        if known and upgrade and (owner := folder.stat().st_uid) != os.getuid():
            raise UsageProblem(f"{folder} belongs to user {owner}: run this as that user.")
        digests = {path: _digest(source) for path, source in sorted(shipped.items())}
        plan = _plan(folder, digests, known)
        if plan.get(PROJECT) == LOST:
            restore = f"cp {shlex.quote(str(shipped[PROJECT]))} {shlex.quote(str(folder))}"
            raise UsageProblem(f"{folder} has a {RECORD} but no {PROJECT}: restore it: {restore}")
        if not is_check and (upgrade or not known):
            if not known:  # a record without files: whatever interrupts it, it can be repeated
                _write(folder / RECORD, _record_of({}))
            for path in [path for path, change in plan.items() if change in (ADD, CHANGE)]:
                _write(folder / path, shipped[path].read_bytes())
            for path in [path for path, change in plan.items() if change == REMOVE]:
                (folder / path).unlink()
            moved = {path: known[path] for path, change in plan.items() if change == MOVE}
            _write(folder / RECORD, _record_of(moved | digests))
    except (OSError, ValueError) as error:
        problem = f"The project {folder} cannot be read or written ({error})"
        raise UsageProblem(f"{problem}: correct that, or name another folder.") from None
    lines = []
    for path, change in plan.items():
        places = folder / path, (folder / path).parent, shipped.get(path)
        ours, parent, new = (shlex.quote(str(place)) for place in places)
        if known or change == KEEP:
            lines.append(f"  {change.format(path=path, ours=ours, parent=parent, new=new)}")
    done = "was upgraded" if upgrade else "can be upgraded with --upgrade"
    state = f"{done} from version {version} to {__version__}:"
    if is_check and not known:
        state = "is not complete: --upgrade completes it"
    elif not known or not {*plan.values()} - {MOVE, LOST}:
        state = f"{'is up to date' if known else 'was created'}, version {__version__}"
    return [f"project         {folder} {state}", *lines]


def _record(path: Path) -> tuple[str, dict[str, str | None]]:
    """The version of a project and its files' digests, none of a new one. Raises UsageProblem."""
    try:
        record = json.loads(path.read_bytes() if path.exists() else _record_of({}))
        return str(record["version"]), {**record["files"]}
    except (ValueError, KeyError, TypeError):
        remedy = "restore it, or make a new project with `runner init DIR` and move your changes"
        raise UsageProblem(f"{path} is not a valid record of a project: {remedy}.") from None


def _record_of(files: dict[str, str | None]) -> bytes:
    return json.dumps({"version": __version__, "files": files}, indent=1).encode()


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
        if path.is_file() and path.parent.name != "__pycache__"
    }


Digests = Mapping[str, str | None]


def _plan(folder: Path, shipped: Digests, known: Digests) -> dict[str, str]:
    """What is to be done with each path, ADD to LOST; the file that makes it a project is last."""
    plan = {}
    for path in sorted({*shipped, *known}, key=lambda path: (path == PROJECT, path)):
        new, old, ours = shipped.get(path), known.get(path), folder / path
        # A symlink, and what is behind one, is the user's: its digest equals no other.
        links = [ours, *ours.parents][: len(Path(path).parts)]
        there = "symlink" if any(one.is_symlink() for one in links) else _digest(ours)
        if there == old and there != new:
            plan[path] = REMOVE if new is None else CHANGE if old else ADD
        elif there and there != new and new != old:
            plan[path] = KEEP if new else MOVE
        elif new and not there:
            plan[path] = LOST
    return plan


def _write(path: Path, content: bytes) -> None:
    """The file is complete or as it was, and keeps its mode."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_bytes(content)
        if path.exists():
            shutil.copymode(path, partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _digest(path: Path) -> str | None:
    """SHA-256 of a file; None when it does not exist."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
