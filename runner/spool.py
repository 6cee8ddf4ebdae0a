"""What could not be written to the warehouse, kept on disk and written by a later command."""

import contextlib
import json
import logging
import os
import time
import uuid
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from runner.errors import StatementRefused, WarehouseUnreachable
from runner.settings import Settings
from runner.warehouse import Value, Warehouse

log = logging.getLogger(__name__)

# How long an entry waits for its table to be repaired.
PATIENCE = timedelta(days=7)


def folder(settings: Settings) -> Path:
    """Where entries wait; one JSON file each, named so that they sort by time."""
    return settings.log_dir / "spool"


def keep(settings: Settings, statements: tuple[str, ...], values: dict[str, Value]) -> Path:
    """Keep one transaction for later, whole or not at all. Raises OSError when the disk is full."""
    path = folder(settings) / f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{uuid.uuid4().hex[:8]}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    target = settings.target({"tenant_id": "none"}).name
    partial = path.with_suffix(".partial")
    with partial.open("w", encoding="utf-8") as file:
        json.dump(
            {
                "target": target,
                "statements": statements,
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


def drain(settings: Settings, warehouse: Warehouse) -> int:
    """Write what waits for this target; how many entries were written. Never raises.

    Every entry may be written twice without harm, so a crash between writing one and
    removing its file costs nothing.
    """
    written = 0
    for path in waiting(settings):
        try:
            entry = json.loads(path.read_text(encoding="utf-8"))
            if entry["target"] != settings.target({"tenant_id": "none"}).name:
                continue
            values = {name: _unpacked(value) for name, value in entry["values"].items()}
            warehouse.write(*entry["statements"], **values)
        except FileNotFoundError:
            continue  # another command wrote it meanwhile
        except (ValueError, KeyError):
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
        with contextlib.suppress(OSError):  # another user's: it is written again, without harm
            path.unlink(missing_ok=True)
        written += 1
    return written


def _is_old(path: Path) -> bool:
    with contextlib.suppress(OSError):
        return time.time() - path.stat().st_mtime > PATIENCE.total_seconds()
    return False


def _set_aside(path: Path, why: str) -> None:
    log.exception("spool entry %s %s and was set aside", path, why)
    with contextlib.suppress(OSError):  # another user's, or another command set it aside
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
