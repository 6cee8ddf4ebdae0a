"""The tenants' data on DuckDB: files that others hold, and what a statement may reach."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import duckdb
import pytest
from control_file import Control, dataset_tables
from processes import held

from runner.context import open_context
from runner.dataset import duckdb as dataset
from runner.dataset import locks
from runner.errors import NotInitialised, RunnerError, WarehouseUnreachable


@pytest.fixture
def path(control: Control) -> Path:
    """The file of the tenant acme."""
    found = control.path.with_name("tenant_acme.duckdb")
    with duckdb.connect(str(found)) as connection:
        connection.execute("create schema acme; create table acme.t as select 1 as one")
    return found


@pytest.mark.parametrize("kind", ["FatalException", "OutOfMemoryException", "InternalException"])
def test_an_engine_that_breaks_is_unreachable(
    control: Control, path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    def breaks(*args: object) -> list[object]:
        raise getattr(duckdb, kind)("it broke")

    monkeypatch.setattr(dataset, "execute", breaks)
    with pytest.raises(WarehouseUnreachable, match="it broke"):
        control.context.dataset.write("acme", "select 1")


@pytest.mark.parametrize("kind", ["read", "write"])
def test_a_file_that_another_process_holds_is_waited_for(
    control: Control, path: Path, kind: str
) -> None:
    with held(path, 0.6):
        began = time.monotonic()
        ask = getattr(control.context.dataset, kind)
        ask("acme", "select 1 as one")
        assert time.monotonic() - began > 0.2


def test_a_file_held_beyond_patience_is_unreachable_and_names_the_process_that_holds_it(
    control: Control, path: Path
) -> None:
    with held(path, 30) as holder, pytest.raises(WarehouseUnreachable) as caught:
        open_context(control.settings, 0.3).dataset.read("acme", "select 1")
    assert caught.value.exit_code == 4
    assert f"process {holder.pid}" in caught.value.message
    assert str(path) in caught.value.message and "\n" not in caught.value.message


def test_a_wait_for_another_program_is_reported_at_once_and_repeatedly(
    control: Control, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported: list[str] = []
    patient = open_context(control.settings, 30)
    monkeypatch.setattr(dataset.DuckDBDataset, "poll_seconds", 0.2)
    with held(path, 2) as holder, patient.dataset.exclusive("acme", reported.append):
        pass
    assert len(reported) > 2 and set(reported) == {
        f"{path} is open in another program (process {holder.pid}): waiting up to 30 s"
    }

    def stop(text: str) -> None:
        raise KeyboardInterrupt

    with held(path, 30), pytest.raises(KeyboardInterrupt), patient.dataset.exclusive("acme", stop):
        raise AssertionError("it was not waited for")


def test_a_wait_within_another_operation_is_reported_once(
    control: Control, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    patient = open_context(control.settings, 30)
    with held(path, 2) as holder:
        patient.dataset.read("acme", "select 1")
    assert capsys.readouterr().err == (
        f"{path} is open in another program (process {holder.pid}): waiting up to 30 s\n"
    )


def test_a_deleted_file_of_a_tenant_is_reported_with_what_brings_it_back(control: Control) -> None:
    for ask in (
        lambda: control.context.dataset.read("acme", "select 1"),
        lambda: control.context.dataset.write("acme", "select 1"),
        lambda: control.context.dataset.check_exports("acme", []),
    ):
        with pytest.raises(NotInitialised, match=r"acme was deleted.*runner tenant repair acme"):
            ask()


@pytest.mark.parametrize("content", [b"this is no database at all" * 500, b"\0" * 12288])
def test_a_file_that_is_no_database_is_damaged_at_once(
    control: Control, path: Path, content: bytes
) -> None:
    path.write_bytes(content)
    began = time.monotonic()
    with pytest.raises(WarehouseUnreachable, match=f"{path} is damaged") as caught:
        open_context(control.settings, 3).dataset.read("acme", "select 1")
    assert time.monotonic() - began < 2, "what cannot recover is not waited for"
    assert caught.value.exit_code == 4 and "\n" not in caught.value.message


def test_a_file_that_was_cut_off_is_damaged_and_not_a_matter_of_permissions(
    control: Control, path: Path
) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table acme.big as select range as n from range(500000)")
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(WarehouseUnreachable, match=f"{path} is damaged") as caught:
        open_context(control.settings, 3).dataset.read("acme", "select sum(n) from acme.big")
    assert "permissions" not in caught.value.message


def test_only_one_process_at_a_time_holds_a_tenant(control: Control) -> None:
    order: list[str] = []

    def second() -> None:
        with control.context.dataset.exclusive("acme"):
            order.append("second")

    with control.context.dataset.exclusive("acme"):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.2)
        order.append("first")
    thread.join(5)
    assert order == ["first", "second"]


def test_two_tenants_are_held_independently(control: Control) -> None:
    done = threading.Event()

    def other() -> None:
        with control.context.dataset.exclusive("globex"):
            done.set()

    with control.context.dataset.exclusive("acme"):
        threading.Thread(target=other).start()
        assert done.wait(5)


def test_the_hold_on_a_tenant_ends_with_the_process_that_had_it(control: Control) -> None:
    script = (
        "import sys, time\nfrom pathlib import Path\n"
        "from runner.dataset.duckdb import DuckDBDataset\n"
        "of = lambda tenant: Path(sys.argv[1]) / f'tenant_{tenant}.duckdb'\n"
        "w = DuckDBDataset(of, 60, None)\n"
        "with w.exclusive('acme'):\n    print('held', flush=True)\n    time.sleep(60)\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(control.path.parent)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout and holder.stdout.readline() == "held\n"
    threading.Timer(0.3, holder.kill).start()
    began = time.monotonic()
    with control.context.dataset.exclusive("acme"):
        assert 0.1 < time.monotonic() - began < 5
    holder.wait()


def test_a_thread_that_has_the_file_is_waited_for_no_longer_than_patience(
    control: Control, path: Path
) -> None:
    """Such as a reader of a tenant's data that itself waits for a run which loads."""
    context = open_context(control.settings, 0.3)
    gate = locks._THREADS.setdefault(path, threading.Lock())
    began = time.monotonic()
    with gate, pytest.raises(WarehouseUnreachable, match="busy"):
        context.dataset.read("acme", "select one from acme.t")
    assert time.monotonic() - began < 5
    assert context.dataset.read("acme", "select one from acme.t") == [{"one": 1}]


def test_a_tenants_data_spills_beside_its_file(control: Control, path: Path) -> None:
    spills = "select current_setting('temp_directory') as place"
    assert control.context.dataset.read("acme", spills) == [{"place": f"{path}.tmp"}]


def test_statements_of_the_runner_reach_no_file_but_the_exports_of_the_tenant(
    control: Control, tmp_path: Path
) -> None:
    """The view over an export is read, whatever its name; nothing else, by no file's connection."""
    data = control.path.parent / "tenant_acme.duckdb"
    wanted = tmp_path / "exports" / "of[us]" / "a" / "b.parquet"
    landed = control.path.parent / "landing" / "shared" / "2024.parquet"
    secret = tmp_path / "secret.parquet"
    for path in (wanted, landed, secret):
        path.parent.mkdir(parents=True, exist_ok=True)
        duckdb.execute(f"copy (select 1 as one) to '{path}'")
    pattern = str(wanted.parent.parent / "*" / "b.parquet")
    with duckdb.connect(str(data)) as connection:
        connection.execute("create schema acme")
        for statement in dataset_tables("acme"):
            connection.execute(statement)
        connection.execute(
            "insert into acme.x_meta_exports by name select 'acme' as tenant_id, ? as export_ref",
            [pattern],
        )
        connection.execute(
            "insert into acme.x_meta_exports by name"
            " select 'acme' as tenant_id, 'tenant:shared' as export_ref"
        )
        for name, path in (("mine", pattern.replace("[", "[[]")), ("landed", landed)):
            connection.execute(f"create view acme.{name} as select * from read_parquet('{path}')")
    context = control.context
    for view in ("mine", "landed"):
        assert context.dataset.read("acme", f"select one from acme.{view}") == [{"one": 1}]
    out = tmp_path / "out.csv"
    for attack in (
        f"select * from '{secret}'",
        f"copy (select 1 as one) to '{out}'",
        f"attach '{out}' as other",
        "set enable_external_access = true",
        "set allowed_directories = ['/']",
    ):
        for ask in (
            lambda sql: control.context.dataset.read("acme", sql),
            lambda sql: control.context.dataset.write("acme", sql),
        ):
            with pytest.raises(RunnerError, match=r"disabled|locked|Cannot|cannot"):
                ask(attack)
    assert not out.exists()
