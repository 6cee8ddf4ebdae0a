"""What could not be written to the warehouse, kept on disk and written by a later command.

An entry names statements of the runner and their values; it has no SQL of its own. Only a regular
file of this user that nobody else may read or write is an entry: others are never read.
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
from runner.errors import StatementRefused, UsageProblem, WarehouseUnreachable
from runner.settings import Settings
from runner.sql import Value

log = logging.getLogger(__name__)

# How long an entry waits for its table to be repaired.
PATIENCE = timedelta(days=7)


def folder(settings: Settings) -> Path:
    """Where entries wait; one JSON file each, named so that they sort by time."""
    return settings.log_dir / "spool"


def keep(
    settings: Settings,
    tenant: str,
    named: tuple[spooled.Named, ...],
    values: dict[str, Value],
) -> Path:
    """Keep one transaction for later, whole or not at all. Raises OSError when the disk is full."""
    path = folder(settings) / f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{uuid.uuid4().hex[:8]}.json"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    target = settings.target({"tenant_id": "none"}).name
    partial = path.with_suffix(".partial")
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(
            {
                "target": target,
                "tenant": tenant,
                "statements": named,
                "values": {name: _packed(value) for name, value in values.items()},
            },
            file,
        )
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    return path


def waiting(settings: Settings) -> list[Path]:
    """The entries that wait, oldest first."""
    return sorted(folder(settings).glob("*.json")) if folder(settings).is_dir() else []


def drain(settings: Settings, store: Store) -> int:
    """Write what waits for this target; how many entries were written. Never raises.

    Every entry may be written twice without harm, so a crash between writing one and
    removing its file costs nothing.
    """
    written = 0
    for path in waiting(settings):
        try:
            entry = json.loads(_own_text(path))
            if entry["target"] != settings.target({"tenant_id": "none"}).name:
                continue
            tenant = names.tenant_id(entry["tenant"])
            values = {name: _unpacked(value) for name, value in entry["values"].items()}
            store.write(*spooled.texts(tenant, entry["statements"]), **values)
        except FileNotFoundError:
            continue  # another command wrote it meanwhile
        except OSError as error:
            log.warning("spool entry %s was refused and left alone: %s", path, error)
            continue
        except (ValueError, KeyError, TypeError, AttributeError, UsageProblem):
            _set_aside(path, "is damaged")
            continue
        except WarehouseUnreachable as error:
            log.warning("the spool waits on: %s", error.message)
            break
        except StatementRefused as error:
            # Its table is missing until `tenant repair`, or for ever: its tenant was removed.
            log.warning("spool entry %s waits: %s", path, error.message)
            if _is_old(path):
                _set_aside(path, "cannot be written")
            continue
        except Exception:
            # One entry must not stop every later command.
            _set_aside(path, "cannot be written")
            continue
        with contextlib.suppress(OSError):  # a folder of another user: it is written again
            path.unlink(missing_ok=True)
        written += 1
    return written


def not_ours(found: os.stat_result) -> str | None:
    """Why a file is no entry of this user's; None if it is one."""
    if not stat.S_ISREG(found.st_mode):
        return "it is not a regular file"
    if found.st_uid != os.getuid():
        return f"it belongs to user {found.st_uid}"
    if found.st_mode & 0o077:
        return f"its mode is {stat.S_IMODE(found.st_mode):o} and must be 600"
    return None


def _own_text(path: Path) -> str:
    """The text of an entry. Raises PermissionError for a file that is no entry of this user's."""
    if why := not_ours(path.lstat()):
        raise PermissionError(why)
    # Looked at again once it is open, as it may be another by then; a pipe is not waited for.
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)) as file:
        if why := not_ours(os.fstat(file.fileno())):
            raise PermissionError(why)
        return file.read()


def _is_old(path: Path) -> bool:
    with contextlib.suppress(OSError):
        return time.time() - path.stat().st_mtime > PATIENCE.total_seconds()
    return False


def _set_aside(path: Path, why: str) -> None:
    log.exception("spool entry %s %s and was set aside", path, why)
    with contextlib.suppress(OSError):  # another command set it aside
        path.replace(path.with_suffix(".damaged"))


def _packed(value: Value) -> Any:
    if isinstance(value, datetime):
        return {"moment": value.isoformat()}
    if isinstance(value, date):
        return {"date": value.isoformat()}
    return value


def _unpacked(value: Any) -> Value:
    if isinstance(value, dict) and "moment" in value:
        return datetime.fromisoformat(value["moment"])
    if isinstance(value, dict) and "date" in value:
        return date.fromisoformat(value["date"])
    return value  # type: ignore[no-any-return]
