"""What waits on disk: written in time, or set aside, and never in the way of a command."""

import os
import time
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from control_file import Control

from runner import spool


def keep(control: Control, statement: str = "delete from acme.x_meta_lock", **values) -> Path:
    return spool.keep(control.settings, (statement,), values)


def test_what_waits_is_written_with_its_values_and_is_gone(control: Control) -> None:
    moment, day = datetime(2024, 11, 1, 3, tzinfo=UTC), date(2024, 11, 1)
    insert = "insert into acme.x_meta_lock values (@day, @who, @at)"
    keep(control, insert, day=day, who=None, at=moment)
    assert spool.drain(control.settings, control.warehouse) == 1
    assert spool.waiting(control.settings) == []
    rows = control.sql("select * from acme.x_meta_lock where lock_name <> 'claim'")
    assert rows == [("2024-11-01", None, moment.replace(tzinfo=None))]


def test_what_lacks_its_table_waits_a_week_and_holds_up_no_other(control: Control) -> None:
    path = keep(control, "delete from acme.not_there")
    keep(control)
    assert spool.drain(control.settings, control.warehouse) == 1
    assert spool.waiting(control.settings) == [path]
    os.utime(path, (time.time() - 8 * 86_400,) * 2)
    assert spool.drain(control.settings, control.warehouse) == 0
    assert spool.waiting(control.settings) == [] and path.with_suffix(".damaged").exists()


@pytest.mark.parametrize("content", ["{", '{"target": "local", "statements": ["select 1"]}'])
def test_what_another_command_set_aside_meanwhile_is_no_trouble(
    control: Control, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    keep(control).write_text(content)

    def denied(*args: object, **values: object) -> None:
        raise PermissionError("another user's")

    monkeypatch.setattr(Path, "replace", denied)
    assert spool.drain(control.settings, control.warehouse) == 0


def test_what_is_written_and_cannot_be_removed_is_no_trouble(
    control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(control)

    def denied(*args: object, **values: object) -> None:
        raise PermissionError("another user's")

    monkeypatch.setattr(Path, "unlink", denied)
    assert spool.drain(control.settings, control.warehouse) == 1
