"""The files of a local export: which they are, and damage that DuckDB does not report clearly.

Formats and columns are checked by dbt.
"""

import gzip
import json
import os
import re
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from runner.errors import UsageProblem

GZIP = b"\x1f\x8b"
CHUNK_BYTES = 1 << 16
# The gzip header flags that DuckDB accepts: a file name and an extra field.
READABLE_FLAGS = 0x04 | 0x08


def local_export(text: str) -> str:
    """A file or glob as an absolute path. Raises UsageProblem when no file matches."""
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", text):
        raise UsageProblem(
            f"The export '{text}' is not on this machine: on the local target an export is a file"
            " or a glob of files, so download it first."
        )
    path = os.path.abspath(Path(text).expanduser())
    if not files_of(path):
        raise UsageProblem(f"The export '{text}' was not found: no file matches {path}.")
    return path


def files_of(path: str) -> list[str]:
    """The file with exactly that path, else the files that match it as a pattern.

    DuckDB matches the pattern, as when it reads: with hidden files, and `**` follows no links.
    """
    if os.path.isfile(path):
        return [path]
    import duckdb

    with duckdb.connect() as engine:
        return [row[0] for row in engine.execute("from glob(?) order by all", [path]).fetchall()]


def real_files(ref: str) -> set[str]:
    """The files that a local export reads now, with links resolved."""
    return {os.path.realpath(path) for path in files_of(ref)}


def check(refs: Iterable[str], checked: Path | None = None) -> None:
    """Read all gzip files of local exports to their end; DuckDB does not verify their checksums.

    `checked`: a file that records what was read, so that unchanged files are not read again.
    Raises UsageProblem with the file and what is wrong. dbt reports an export without files.
    """
    known, now = _read(checked), {}
    for name in (name for ref in refs for name in files_of(ref)):
        try:
            stat = os.stat(name)
            # A writer can set st_mtime, but not st_ctime.
            now[name] = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
            if now[name] != known.get(name):
                _check(name, stat.st_size)
                _check_line_ends(name)
        except OSError as error:
            raise UsageProblem(
                f"The export file {name} cannot be read ({error.strerror or error}): check its"
                " permissions and its disk, or copy it again."
            ) from error
    if checked is not None and now != known:
        _write(checked, now)


def _check(name: str, size: int) -> None:
    start = f"The export file {name} "
    if size == 0:
        raise UsageProblem(f"{start}is empty: copy it again.")
    with open(name, "rb") as file:
        is_gzip = file.read(2) == GZIP
        if is_gzip != name.endswith(".gz"):
            raise UsageProblem(
                f"{start}is compressed with gzip: rename it to end in .gz."
                if is_gzip
                else f"{start}is not compressed with gzip, but its name ends in .gz: rename it."
            )
        if not is_gzip:
            return
        file.seek(0)
        try:
            is_empty = not _unzipped_bytes(file)
        except (ValueError, EOFError, zlib.error) as error:
            why = str(error).rpartition(": ")[2] if isinstance(error, zlib.error) else error
            raise UsageProblem(f"{start}is damaged ({why}): copy it again.") from error
    if is_empty:
        raise UsageProblem(f"{start}is empty: copy it again.")


def _unzipped_bytes(file: BinaryIO) -> int:
    """The uncompressed bytes of a file's gzip members. Raises ValueError, EOFError, zlib.error."""
    total, data = 0, file.read(CHUNK_BYTES)
    while data:
        header = data = data if len(data) >= 4 else data + file.read(CHUNK_BYTES)
        if not header.startswith(GZIP):
            raise ValueError("bytes that are not gzip follow its end")
        if len(header) > 3 and header[3] & ~READABLE_FLAGS:
            raise ValueError(f"its header has flags that DuckDB refuses: {header[3]:#04x}")
        member = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        while not member.eof:
            total += len(member.decompress(data, CHUNK_BYTES))
            data = member.unconsumed_tail
            if not data and not member.eof:
                data = file.read(CHUNK_BYTES)
            if not data and not member.eof:
                total += len(member.flush())
                if not member.eof:
                    raise EOFError("it ends before its end marker")
        data = member.unused_data or file.read(CHUNK_BYTES)
    return total


def _check_line_ends(name: str) -> None:
    """Raises UsageProblem for mixed line ends in a CSV file: DuckDB's error does not name them."""
    if not re.search(r"[.]csv([.]gz)?$", name):
        return
    ends: set[str] = set()
    quotes = 0
    with (gzip.open if name.endswith(".gz") else open)(name, "rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            if chunk.endswith(b"\r"):
                chunk += stream.read(1)
            if not _ends(chunk) <= ends:  # they may be within quotes, where each kind is allowed
                ends |= _ends(b'"'.join(chunk.split(b'"')[quotes % 2 :: 2]))
            quotes += chunk.count(b'"')
    if len(ends) > 1:
        raise UsageProblem(
            f"The export file {name} mixes line ends ({' and '.join(sorted(ends))}): write it again"
            " with one kind of line end."
        )


def _ends(text: bytes) -> set[str]:
    """The kinds of line ends in a text."""
    both = text.count(b"\r\n")
    counts = {"CR LF": both, "LF": text.count(b"\n") - both, "CR": text.count(b"\r") - both}
    return {kind for kind, count in counts.items() if count}


def _read(path: Path | None) -> dict[str, list[int]]:
    try:
        found = json.loads(path.read_text()) if path else {}
    except (OSError, ValueError):
        return {}  # all files are checked again
    return found if isinstance(found, dict) else {}


def _write(path: Path, known: dict[str, list[int]]) -> None:
    """Write the file atomically, by a rename."""
    scratch = path.with_suffix(f".{os.getpid()}")
    scratch.write_text(json.dumps(known))
    scratch.replace(path)
