"""An export's files on this machine: which they are, and what is wrong with their bytes.

What a file must look like is judged by dbt; this is what DuckDB does not check.
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
# Of a gzip header DuckDB reads a file's name and an extra field, and refuses all other flags.
READABLE_FLAGS = 0x04 | 0x08


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
    """The file of that path, whatever characters it has, else the files that match it.

    DuckDB matches them, as it will when it reads: hidden files too, and no linked folder for `**`.
    """
    if os.path.isfile(path):
        return [path]
    import duckdb

    with duckdb.connect() as engine:
        return [row[0] for row in engine.execute("from glob(?) order by all", [path]).fetchall()]


def real_files(ref: str) -> set[str]:
    """The files that a local export reads now, without links on the way to them."""
    return {os.path.realpath(path) for path in files_of(ref)}


def check(refs: Iterable[str], checked: Path | None = None) -> None:
    """Read the gzip files of local exports through; DuckDB does not check their checksums.

    `checked`: a file that keeps which were read, so that each is read again only when it is another
    file or was changed since. Raises UsageProblem with the file and what is wrong. dbt
    reports an export of which no file is there.
    """
    known, now = _read(checked), {}
    for name in (name for ref in refs for name in files_of(ref)):
        try:
            stat = os.stat(name)
            # Who writes a file may set the time of its content, not that of the file's change.
            now[name] = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
            if now[name] != known.get(name):
                _check(name, stat.st_size)
                _check_line_ends(name)
        except OSError as error:
            raise UsageProblem(
                f"The export's file {name} cannot be read ({error.strerror or error}): fix its"
                " permissions or its disk, or copy it again."
            ) from error
    if checked is not None and now != known:
        _write(checked, now)


def _check(name: str, size: int) -> None:
    start = f"The export's file {name} "
    if size == 0:
        raise UsageProblem(f"{start}is empty.")
    with open(name, "rb") as file:
        is_gzip = file.read(2) == GZIP
        if is_gzip != name.endswith(".gz"):
            raise UsageProblem(
                f"{start}is compressed with gzip: its name must end in .gz."
                if is_gzip
                else f"{start}is not compressed with gzip, and its name ends in .gz."
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
        raise UsageProblem(f"{start}is empty.")


def _unzipped_bytes(file: BinaryIO) -> int:
    """How many bytes the gzip members in a file hold; raises what is wrong with one of them."""
    total, data = 0, file.read(CHUNK_BYTES)
    while data:
        header = data = data if len(data) >= 4 else data + file.read(CHUNK_BYTES)
        if not header.startswith(GZIP):
            raise ValueError("bytes that are not gzip follow its end")
        if len(header) > 3 and header[3] & ~READABLE_FLAGS:
            raise ValueError(f"its header has flags that DuckDB does not read: {header[3]:#04x}")
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
    """DuckDB's own error for a CSV file whose lines end differently does not mention line ends."""
    if not re.search(r"[.]csv([.]gz)?$", name):
        return
    ends: set[str] = set()
    quotes = 0
    with (gzip.open if name.endswith(".gz") else open)(name, "rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            if chunk.endswith(b"\r"):
                chunk += stream.read(1)
            if not _ends(chunk) <= ends:  # perhaps only inside quotes, where any is allowed
                ends |= _ends(b'"'.join(chunk.split(b'"')[quotes % 2 :: 2]))
            quotes += chunk.count(b'"')
    if len(ends) > 1:
        raise UsageProblem(
            f"The export's file {name} has lines that end differently, with"
            f" {' and '.join(sorted(ends))}: write it again with one kind of line end."
        )


def _ends(text: bytes) -> set[str]:
    """Which kinds of line ends are in a text."""
    both = text.count(b"\r\n")
    counts = {"CR LF": both, "LF": text.count(b"\n") - both, "CR": text.count(b"\r") - both}
    return {kind for kind, count in counts.items() if count}


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
