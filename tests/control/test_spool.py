"""What waits on disk: written in time, or set aside, and never in the way of a command."""

import json
import os
import time
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from control_file import Control

from runner.control import spool, spooled
from runner.errors import RunnerError
from runner.sql import Value

REQUEUED = (("REQUEUE", 0), ("DROP_RUN_STEPS", 0))


def keep(
    control: Control,
    tenant: str = "acme",
    named: tuple[spooled.Named, ...] = REQUEUED,
    **values: Value,
) -> Path:
    given: dict[str, Value] = {
        **{"run_id": "r", "me": "us", "queue": "queue"},
        "lease_expires_at": datetime.now(UTC),
        **values,
    }
    return spool.keep(control.settings, tenant, named, given)


def test_what_waits_is_written_with_its_values_and_removed(control: Control) -> None:
    at, day = datetime(2024, 11, 1, 3, tzinfo=UTC), date(2024, 11, 1)
    run_id = control.add_run("RUNNING", day=day)
    control.sql("update acme.x_meta_pipeline_runs set worker_instance = 'us'")
    path = keep(control, run_id=run_id, lease_expires_at=at, day=day, nothing=None)
    assert path.stat().st_mode & 0o777 == 0o600
    assert spool.drain(control.settings, control.context.store) == 1
    assert spool.waiting(control.settings) == []
    rows = control.sql("select status, lease_expires_at from acme.x_meta_pipeline_runs")
    assert rows == [("PENDING", at.replace(tzinfo=None))]


def test_a_date_is_a_date_again(control: Control) -> None:
    values: dict[str, Value] = {"day": date(2024, 11, 1), "at": datetime.now(UTC), "n": 1}
    text = keep(control, **values).read_text()
    read = json.loads(text, object_hook=spool._unpacked)["values"]
    assert {name: read[name] for name in values} == values


def test_what_lacks_its_table_waits_a_week_and_holds_up_no_other(control: Control) -> None:
    path = keep(control, tenant="unknown")
    keep(control)
    assert spool.drain(control.settings, control.context.store) == 1
    assert spool.waiting(control.settings) == [path]
    os.utime(path, (time.time() - 8 * 86_400,) * 2)
    assert spool.drain(control.settings, control.context.store) == 0
    assert spool.waiting(control.settings) == [] and path.with_suffix(".damaged").exists()


SQL = {"target": "local", "tenant": "acme", "values": {}}
DAMAGED = {
    "no JSON": "{",
    "no object": "[1]",
    "no values": '{"target": "local", "tenant": "acme", "statements": []}',
    "SQL of its own": json.dumps({**SQL, "statements": ["drop schema acme cascade"]}),
    "SQL for a name": json.dumps({**SQL, "statements": [["drop schema acme cascade", 0]]}),
    "a name of no entry": json.dumps({**SQL, "statements": [["REVOKE_KEY", 0]]}),
    "SQL for a number": json.dumps({**SQL, "statements": [["MARK_SENT", "0; drop schema acme"]]}),
    "SQL for a tenant": json.dumps(
        {**SQL, "tenant": "acme`.x_meta_lock; --", "statements": [["RUN", 0]]}
    ),
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_what_is_no_entry_is_set_aside_and_nothing_of_it_is_executed(
    control: Control, content: str
) -> None:
    path = keep(control)
    path.write_text(content)
    before = control.sql("select * from acme.x_meta_lock")
    assert spool.drain(control.settings, control.context.store) == 0
    assert path.with_suffix(".damaged").exists()
    assert control.sql("select * from acme.x_meta_lock") == before


@pytest.mark.parametrize("how", ["other mode", "link", "other owner", "pipe", "folder"])
def test_what_another_user_put_there_is_refused_in_one_sentence_and_skipped(
    control: Control, how: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = keep(control)
    if how == "other mode":
        path.chmod(0o640)
    elif how == "link":
        path.rename(control.folder / "elsewhere")
        path.symlink_to(control.folder / "elsewhere")
    elif how == "other owner":
        monkeypatch.setattr(os, "getuid", lambda: path.stat().st_uid + 1)
    else:
        path.unlink()
        os.mkfifo(path) if how == "pipe" else path.mkdir()
    good = keep(control)
    if how == "other owner":
        good.unlink()
    assert spool.drain(control.settings, control.context.store) == (how != "other owner")
    assert spool.waiting(control.settings) == [path]
    (printed,) = (one.getMessage() for one in caplog.records)
    assert str(path) in printed and "was skipped: it" in printed


def test_a_spooled_copy_to_reads_and_writes_no_file(control: Control, tmp_path: Path) -> None:
    """The attack: whoever could write the folder had root copy a file that only root may read."""
    stolen = tmp_path / "stolen"
    sql = f"attach '{stolen}' as stolen"
    path = keep(control)
    for statements in ([sql], [[sql, 0]]):
        path.write_text(json.dumps({**SQL, "statements": statements}))
        spool.drain(control.settings, control.context.store)
        path.touch(mode=0o600)
    # Even if a statement of the runner did it, the engine would not do it.
    with pytest.raises(RunnerError, match="too many attached databases"):
        control.context.store.write(sql)
    assert not stolen.exists()


@pytest.mark.parametrize("content", ["{", '{"target": "local", "statements": ["select 1"]}'])
def test_what_another_command_set_aside_meanwhile_is_no_trouble(
    control: Control, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    keep(control).write_text(content)

    def denied(*args: object, **values: object) -> None:
        raise PermissionError("another user's")

    monkeypatch.setattr(Path, "replace", denied)
    assert spool.drain(control.settings, control.context.store) == 0


def test_what_is_written_and_cannot_be_removed_is_no_trouble(
    control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(control)

    def denied(*args: object, **values: object) -> None:
        raise PermissionError("another user's")

    monkeypatch.setattr(Path, "unlink", denied)
    assert spool.drain(control.settings, control.context.store) == 1
