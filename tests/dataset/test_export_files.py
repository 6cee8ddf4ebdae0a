"""The files of a local export: which they are, and what is wrong with their bytes."""

import builtins
import gzip
import os
from pathlib import Path
from typing import Any

import duckdb
import pytest

from runner.dataset import export_files
from runner.errors import UsageProblem

ROW = b'{"cost": 1}\n'
# Without the time of day: it would stand in the names of tests, which two processes compare.
PACKED = gzip.compress(ROW, mtime=0)
BAD_CHECKSUM = PACKED[:-8] + b"\0\0\0\0" + PACKED[-4:]


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def refused(export: Path | str, checked: Path | None = None) -> str:
    with pytest.raises(UsageProblem) as problem:
        export_files.check([str(export)], checked)
    return problem.value.message


def test_the_files_that_are_checked_are_those_that_duckdb_reads(tmp_path: Path) -> None:
    """Hidden files, linked folders, links that lead nowhere, folders named as files."""
    for name in ("a", ".hidden", "b/c", "b/.d/e", ".f/g"):
        write(tmp_path / f"{name}.json", ROW)
    write(tmp_path / "elsewhere" / "h.txt", ROW)
    (tmp_path / "linked").symlink_to(tmp_path / "b")
    (tmp_path / "nowhere.json").symlink_to(tmp_path / "no file")
    (tmp_path / "folder.json").mkdir()
    with duckdb.connect() as engine:
        for pattern in ("*.json", "**/*.json", "*/*.json", "**", "[ab].json", "?.json", "x*"):
            path = f"{tmp_path}/{pattern}"
            read = engine.execute("select filename from read_blob(?)", [path]).fetchall()
            found = export_files.files_of(path)
            assert found == sorted(name for (name,) in read), pattern
    assert f"{tmp_path}/.hidden.json" in export_files.files_of(f"{tmp_path}/*.json")


def test_a_hidden_file_of_a_glob_is_checked(tmp_path: Path) -> None:
    write(tmp_path / "a.json.gz", PACKED)
    hidden = write(tmp_path / ".b.json.gz", BAD_CHECKSUM)
    assert f"{hidden} is damaged" in refused(tmp_path / "*.json.gz")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (BAD_CHECKSUM, "(incorrect data check)"),
        (PACKED[:-4] + b"\1\0\0\0", "incorrect length check"),
        (PACKED[:-20], "it ends before its end marker"),
        (PACKED[:3], "it ends before its end marker"),
        (PACKED + b"\0" * 512, "bytes that are not gzip follow its end"),
        (PACKED * 3 + b"more", "bytes that are not gzip follow its end"),
        (PACKED[:3] + b"\xe0" + PACKED[4:], "its header has flags that DuckDB refuses: 0xe0"),
        (PACKED + PACKED[:3] + b"\x01" + PACKED[4:], "flags that DuckDB refuses: 0x01"),
        (PACKED[:2] + b"\7" + PACKED[3:], "unknown compression method"),
    ],
)
def test_a_damaged_gzip_file_is_reported_with_its_name(
    tmp_path: Path, content: bytes, why: str
) -> None:
    path = write(tmp_path / "a.json.gz", content)
    reported = refused(path)
    assert reported.startswith(f"The export file {path} is damaged (") and why in reported


def test_gzip_that_duckdb_reads_is_good(tmp_path: Path) -> None:
    """Several members, over the ends of what is read at once, with a name or an extra field."""
    big = gzip.compress(os.urandom(export_files.CHUNK_BYTES * 2) + b"0" * 5_000_000)
    for content in (
        *(PACKED, PACKED * 30_000, big + PACKED + big),
        PACKED[:3] + b"\x08" + PACKED[4:10] + b"name\0" + PACKED[10:],
        PACKED[:3] + b"\x04" + PACKED[4:10] + b"\2\0ab" + PACKED[10:],
    ):
        export_files.check([str(write(tmp_path / "a.json.gz", content))])
    assert "is empty" in refused(write(tmp_path / "a.json.gz", gzip.compress(b"")))


def test_a_file_that_cannot_be_read_is_reported_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.json", ROW)
    real = builtins.open

    def forbidden(name: Any, *args: Any, **options: Any) -> Any:
        if name == str(path):
            raise PermissionError(13, "Permission denied", name)
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "open", forbidden)
    assert f"{path} cannot be read (Permission denied): check its permissions" in refused(path)
    monkeypatch.setattr(builtins, "open", real)
    monkeypatch.setattr(export_files, "files_of", lambda ref: [ref])
    path.unlink()
    assert f"{path} cannot be read (No such file or directory)" in refused(path)


def test_a_file_that_was_checked_is_read_again_when_it_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one of the same size and time, written over it or put in its place."""
    checked, path = tmp_path / "checked", write(tmp_path / "a.json.gz", PACKED)
    export_files.check([str(path)], checked)
    with monkeypatch.context() as patch:
        patch.setattr(export_files, "_check", lambda *file: pytest.fail("it is read again"))
        export_files.check([str(path)], checked)
    stat = path.stat()
    for scratch in (path, tmp_path / "other"):
        write(path, PACKED)
        export_files.check([str(path)], checked)
        write(scratch, BAD_CHECKSUM)
        os.utime(scratch, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        scratch.replace(path)
        assert (path.stat().st_size, path.stat().st_mtime_ns) == (stat.st_size, stat.st_mtime_ns)
        assert f"{path} is damaged" in refused(path, checked)
