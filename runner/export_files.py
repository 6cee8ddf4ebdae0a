"""An export's files on this machine: which they are, and what is wrong with their bytes.

What a file must look like is judged by dbt; this is what DuckDB does not look at.
"""

import glob
import gzip
import json
import os
import re
import zlib
from collections.abc import Iterable
from pathlib import Path

from runner.errors import UsageProblem

GZIP = b"\x1f\x8b"
CHUNK_BYTES = 1 << 20


def local_export(text: str) -> str:
    """A file or glob as an absolute path. Raises UsageProblem when nothing is there."""
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", text):
        raise UsageProblem(
            f"The export '{text}' is not on this machine: on the local target an export is a file"
            " or a glob of files, so download it first."
        )
    path = os.path.abspath(Path(text).expanduser())
    if not files_of(path):
        raise UsageProblem(f"The export '{text}' was not found: no file is at {path}.")
    return path


def files_of(path: str) -> list[str]:
    """The file of that path, whatever characters it has, else the files that match it."""
    if os.path.isfile(path):
        return [path]
    return sorted(name for name in glob.iglob(path, recursive=True) if os.path.isfile(name))


def check(refs: Iterable[str], checked: Path | None = None) -> None:
    """Read the gzip files of local exports through; DuckDB does not look at their checksums.

    `checked`: a file that keeps which were read, so that each is read again only when its size or
    time of last change is another. Raises UsageProblem with the file and what is wrong. A file that
    is not there is dbt's to tell.
    """
    known, now = _read(checked), {}
    for name in (name for ref in refs for name in files_of(ref)):
        stat = os.stat(name)
        now[name] = [stat.st_size, stat.st_mtime_ns]
        if now[name] != known.get(name):
            _check(name, stat.st_size)
    if checked is not None and now != known:
        _write(checked, now)


def _check(name: str, size: int) -> None:
    told = f"The export's file {name} "
    if size == 0:
        raise UsageProblem(f"{told}is empty.")
    with open(name, "rb") as file:
        is_gzip = file.read(2) == GZIP
    if is_gzip != name.endswith(".gz"):
        raise UsageProblem(
            f"{told}is compressed with gzip: its name must end in .gz."
            if is_gzip
            else f"{told}is not compressed with gzip, and its name ends in .gz."
        )
    if not is_gzip:
        return
    try:
        with gzip.open(name) as stream:
            is_empty = not stream.read(CHUNK_BYTES)
            while stream.read(CHUNK_BYTES):
                pass
    except (OSError, EOFError, zlib.error) as error:
        raise UsageProblem(f"{told}is damaged ({error}): copy it again.") from error
    if is_empty:
        raise UsageProblem(f"{told}is empty.")


def _read(path: Path | None) -> dict[str, list[int]]:
    try:
        found = json.loads(path.read_text()) if path else {}
    except (OSError, ValueError):
        return {}  # then all are read again
    return found if isinstance(found, dict) else {}


def _write(path: Path, known: dict[str, list[int]]) -> None:
    """Renamed into place: who reads it finds all or nothing."""
    scratch = path.with_suffix(f".{os.getpid()}")
    scratch.write_text(json.dumps(known))
    scratch.replace(path)
