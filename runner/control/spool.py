"""Writes that failed: kept on disk, and written to the warehouse by a later command.

An entry names statements of the runner and their values; it contains no SQL. Only a regular file
of this user that no other user may read or write is an entry: other files are never read.
"""

import contextlib
import json
import logging
import os
import stat
import time
import uuid
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from runner import names
from runner.control import spooled
from runner.control.store import Store
from runner.errors import StatementRefused, WarehouseUnreachable
from runner.settings import Settings
from runner.sql import Value

log = logging.getLogger(__name__)

# How long an entry is kept while its table is missing.
PATIENCE = timedelta(days=7)


def folder(settings: Settings) -> Path:
    """The folder of the entries: a JSON file each, named so that they sort by time."""
    return settings.log_dir / "spool"


def keep(
    settings: Settings, tenant: str, named: tuple[spooled.Named, ...], values: dict[str, Value]
) -> Path:
    """Keep one transaction for later, atomically. Raises OSError on a full disk."""
    path = folder(settings) / f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{uuid.uuid4().hex[:8]}.json"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    entry = {"target": _target(settings), "tenant": tenant, "statements": named, "values": values}
    partial = path.with_suffix(".partial")
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(entry, file, default=_packed)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    return path


def waiting(settings: Settings) -> list[Path]:
    """The kept entries, oldest first."""
    return sorted(folder(settings).glob("*.json")) if folder(settings).is_dir() else []


def drain(settings: Settings, store: Store) -> int:
    """Write this target's entries; returns how many were written. Never raises.

    Writing an entry twice changes nothing, so a crash between the write and the removal of the
    file does no harm.
    """
    written = 0
    for path in waiting(settings):
        try:
            entry = json.loads(_own_text(path), object_hook=_unpacked)
            if entry["target"] != _target(settings):
                continue
            tenant = names.tenant_id(entry["tenant"])
            store.write(*spooled.texts(tenant, entry["statements"]), **entry["values"])
        except FileNotFoundError:
            continue  # another command wrote it meanwhile
        except OSError as error:
            log.warning("spool entry %s was skipped: %s", path, error)
            continue
        except WarehouseUnreachable as error:
            log.warning("the spool cannot be written now: %s", error.message)
            break
        except StatementRefused as error:
            # Its table is missing: until `tenant repair`, or for ever if the tenant was removed.
            log.warning("spool entry %s cannot be written now: %s", path, error.message)
            _set_aside(path, PATIENCE)
            continue
        except Exception:
            # The entry may be damaged; it must not stop every later command.
            _set_aside(path)
            continue
        with contextlib.suppress(OSError):  # not removable: the next command writes it again
            path.unlink(missing_ok=True)
        written += 1
    return written


def refusal(found: os.stat_result) -> str | None:
    """Why a file is not a valid entry of this user; None if it is one."""
    if not stat.S_ISREG(found.st_mode):
        return "it is not a regular file"
    if found.st_uid != os.getuid():
        return f"it belongs to user {found.st_uid}"
    if found.st_mode & 0o077:
        return f"its mode is {stat.S_IMODE(found.st_mode):o} and must be 600"
    return None


def _own_text(path: Path) -> str:
    """The text of an entry. Raises PermissionError for a file that is not this user's entry."""
    if why := refusal(path.lstat()):
        raise PermissionError(why)
    # Checked again after opening, as the file may have been replaced; a pipe does not block.
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)) as file:
        if why := refusal(os.fstat(file.fileno())):
            raise PermissionError(why)
        return file.read()


def _set_aside(path: Path, after: timedelta = timedelta.min) -> None:
    with contextlib.suppress(OSError):  # another command set it aside
        if time.time() - path.stat().st_mtime > after.total_seconds():
            log.exception("spool entry %s cannot be written and was set aside", path)
            path.replace(path.with_suffix(".damaged"))


def _target(settings: Settings) -> str:
    return settings.target({"tenant_id": "none"}).name


def _packed(value: date) -> dict[str, str]:
    return {type(value).__name__: value.isoformat()}


def _unpacked(found: dict[str, Any]) -> Any:
    if found.keys() == {"datetime"}:
        return datetime.fromisoformat(found["datetime"])
    return date.fromisoformat(found["date"]) if found.keys() == {"date"} else found
