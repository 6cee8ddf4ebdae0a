"""Two tenants that are added at the same time: never is a charge billed to both in silence."""

import json
import threading
from pathlib import Path

import pytest
from control_file import TENANTS, Control, at_once

from runner.context import open_context
from runner.control import tenants
from runner.control.tenants import Export
from runner.errors import UsageProblem
from runner.onboarding import onboarding_sql, overlaps, records, rows
from runner.pipelines import templates

ACCOUNTS = ("01ECB7-6EE0BA-7357F1", "000000-000000-000001")
COMPLETE = Export("/exports/shared.parquet")

ADD = """
import json, os, sys
from runner.errors import UsageProblem
from runner.onboarding import overlaps, rows
from runner.settings import Settings
from runner.context import open_context
from support import ROOT
from test_onboarding_races import record

store = open_context(Settings(ROOT, None, dict(os.environ))).store
name, *accounts = sys.argv[1:]
mine = record(*accounts)
early = overlaps.also_billed_to(store, name, mine.exports)
print(json.dumps(early), flush=True)
sys.stdin.readline()
try:
    print(json.dumps(rows.write(store, name, mine)))
except UsageProblem as problem:
    print(json.dumps(problem.message))
"""


def record(*accounts: str, pipeline: str = templates.DEFAULT) -> records.Record:
    """What is written of a tenant that reads the shared export."""
    exports = [Export(COMPLETE.ref, accounts)]
    return records.Record("a@acme.example", "", tenants.PLANS["scale"], exports, pipeline)


def registered(control: Control) -> list[str]:
    rows = control.sql("select distinct tenant_id from tenants.tenant_exports order by 1")
    return [name for (name,) in rows]


def raced(control: Control, accounts: tuple[str, ...]) -> list[list[str] | str]:
    """What the processes that add both tenants print; neither saw the other by an early check."""
    adding = at_once(control, ADD, [(name, *accounts) for name in TENANTS], ready="[]")
    return [json.loads(one.communicate(timeout=60)[0]) for one in adding]


def test_of_processes_that_add_an_unfiltered_export_exactly_one_gets_it(control: Control) -> None:
    reported = raced(control, ())
    (winner,) = registered(control)
    assert reported.count([]) == 1
    (refused,) = (one for one in reported if one)
    assert f"is also read by tenant {winner}: limit" in refused
    assert "--billing-account" in refused


def test_of_processes_that_add_one_account_the_later_is_warned(control: Control) -> None:
    reported = raced(control, ACCOUNTS[:1])
    assert registered(control) == list(TENANTS)
    assert sorted(map(bool, reported)) == [False, True]


@pytest.mark.parametrize("turn", range(3))
def test_of_threads_that_share_the_control_file_exactly_one_gets_it(
    control: Control, turn: int
) -> None:
    """As in the service, where no lock of a file keeps them apart."""
    context = open_context(control.settings)
    reported: list[object] = []
    start = threading.Barrier(len(TENANTS))

    def add(name: str) -> None:
        start.wait()
        try:
            reported.append(rows.write(context.store, name, record()))
        except Exception as error:
            reported.append(type(error))

    threads = [threading.Thread(target=add, args=(name,)) for name in TENANTS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(registered(control)) == 1
    assert reported.count([]) == 1 and reported.count(UsageProblem) == 1


def test_the_transaction_updates_first_the_row_that_makes_two_of_them_meet() -> None:
    """On BigQuery, where two inserts never conflict; SQLite lets one in at a time."""
    sent: list[tuple[tuple[str, ...], dict[str, object]]] = []

    class Recorder:
        def write(self, *statements: str, **values: object) -> list[object]:
            sent.append((statements, values))
            return []

    rows.write(Recorder(), "acme", record())  # type: ignore[arg-type]
    assert sent[1][0][0] == onboarding_sql.ONBOARDING_LOCK


def test_a_refused_transaction_leaves_no_row(control: Control) -> None:
    rows.write(control.context.store, "acme", record(ACCOUNTS[0]))
    before = control.sql("select * from tenants.tenant_profiles order by 1")
    with pytest.raises(UsageProblem, match="also read by tenant acme"):
        rows.write(control.context.store, "globex", record())
    assert registered(control) == ["acme"]
    assert control.sql("select * from tenants.tenant_profiles order by 1") == before


@pytest.mark.parametrize(
    ("first", "second", "reported"),
    [
        (record(ACCOUNTS[0]), record(ACCOUNTS[1]), []),
        (record(ACCOUNTS[0]), record(*ACCOUNTS), ["acme"]),
        (record(), record(ACCOUNTS[1]), ["acme"]),
        (record(pipeline=templates.LANDING), record(), []),
        (record(), record(pipeline=templates.LANDING), []),
    ],
    ids=["apart", "one account twice", "an unfiltered first", "after a landing", "a landing"],
)
def test_a_tenant_that_shares_charges_is_reported_and_no_other(
    control: Control, first: records.Record, second: records.Record, reported: list[str]
) -> None:
    assert rows.write(control.context.store, "acme", first) == []
    assert rows.write(control.context.store, "globex", second) == reported
    assert bool(overlaps.overlaps(control.context.store)) == bool(reported)


def on(control: Control, name: str, *refs: str, account: str = "", landing: bool = False) -> None:
    """The tenant's rows, written whatever others have."""
    accounts = (account,) if account else ()
    pipeline = templates.LANDING if landing else templates.DEFAULT
    exports = [Export(ref, accounts) for ref in refs]
    plan = tenants.PLANS["scale"]
    one = records.Record("a@acme.example", "", plan, exports, pipeline)
    rows.write(control.context.store, name, one)


def have_landing(control: Control, ref: str, account: str = "") -> None:
    control.context.store.complete("shared")
    on(control, "shared", ref, account=account, landing=True)


def files(folder: Path) -> Path:
    """A folder with two exports and, in another, a link to one of them."""
    (folder / "exports").mkdir()
    (folder / "links").mkdir()
    for name in ("a.parquet", "b.parquet"):
        (folder / "exports" / name).touch()
    (folder / "links" / "x.parquet").symlink_to(folder / "exports" / "a.parquet")
    return folder


@pytest.mark.parametrize(
    ("ref", "reported"),
    [
        ("exports/*.parquet", ["acme"]),
        ("ex*/a.parquet", ["acme"]),
        ("links/x.parquet", ["acme"]),
        ("links/*", ["acme"]),
        ("exports/b.parquet", []),
        ("exports/b*", []),
    ],
)
def test_one_file_by_two_names_is_one_export(
    control: Control, tmp_path: Path, ref: str, reported: list[str]
) -> None:
    folder = files(tmp_path)
    on(control, "acme", f"{folder}/exports/a.parquet", account=ACCOUNTS[0])
    named = [Export(f"{folder}/{ref}")]
    assert overlaps.also_billed_to(control.context.store, "globex", named) == reported
    other = [Export(f"{folder}/{ref}", ACCOUNTS[1:])]
    assert overlaps.also_billed_to(control.context.store, "globex", other) == []
    one = records.Record("a@acme.example", "", tenants.PLANS["scale"], named)
    assert rows.write(control.context.store, "globex", one) == reported
    pairs = [("acme", "globex", f"{folder}/exports/a.parquet")]
    assert overlaps.overlaps(control.context.store) == (pairs if reported else [])


@pytest.mark.parametrize("own", [COMPLETE.ref, "p.d.t"])
def test_a_landing_and_what_it_lands_are_one_export(control: Control, own: str) -> None:
    on(control, "acme", own)
    have_landing(control, own)
    assert overlaps.overlaps(control.context.store) == []
    named = [Export("tenant:shared")]
    assert overlaps.also_billed_to(control.context.store, "globex", named) == ["acme"]
    # In the transaction, too, whoever came first.
    with pytest.raises(UsageProblem, match="also read by tenant acme"):
        on(control, "globex", "tenant:shared")
    on(control, "globex", "tenant:shared", account=ACCOUNTS[0])
    assert overlaps.overlaps(control.context.store) == [("acme", "globex", own)]
    on(control, "acme", own, account=ACCOUNTS[1])
    assert overlaps.overlaps(control.context.store) == []
    with pytest.raises(UsageProblem, match="also read by tenant globex"):
        on(control, "acme", own)


def test_a_landings_filter_is_its_readers(control: Control) -> None:
    have_landing(control, COMPLETE.ref, ACCOUNTS[0])
    on(control, "acme", COMPLETE.ref, account=ACCOUNTS[1])
    on(control, "globex", "tenant:shared")
    assert overlaps.overlaps(control.context.store) == []
    on(control, "acme", COMPLETE.ref, account=ACCOUNTS[0])
    assert overlaps.overlaps(control.context.store) == [("acme", "globex", COMPLETE.ref)]
