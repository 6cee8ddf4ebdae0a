"""Tenants as the runner finds them, and what stands before anything is written."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from click.testing import Result
from control_file import Control

from runner.control import runs, tenants
from runner.dataset import export_files
from runner.errors import UsageProblem, WarehouseUnreachable
from runner.onboarding import exports, records, remove


def test_tenants_are_listed_by_id(control: Control) -> None:
    found = tenants.every(control.context.store)
    assert [(one.id, one.status, one.daily_limit) for one in found] == [
        ("acme", "ACTIVE", 25),
        ("globex", "ACTIVE", 25),
    ]


def test_a_deleted_tenant_is_not_there(control: Control) -> None:
    control.sql("update tenants.tenant_profiles set status='DELETED' where tenant_id = 'acme'")
    assert [one.id for one in tenants.every(control.context.store)] == ["globex"]
    with pytest.raises(UsageProblem, match="no tenant 'acme'"):
        tenants.find(control.context.store, "acme")


def test_a_tenant_that_was_never_added_is_answered_with_near_ones(control: Control) -> None:
    with pytest.raises(UsageProblem, match="did you mean globex"):
        tenants.find(control.context.store, "globx")


def test_a_tenant_like_no_other_is_answered_with_the_list(control: Control) -> None:
    with pytest.raises(UsageProblem, match="runner tenant list"):
        tenants.find(control.context.store, "zzz")


def test_an_invalid_id_is_reported_before_the_warehouse_is_asked(control: Control) -> None:
    control.path.unlink()
    with pytest.raises(UsageProblem, match="is not a valid tenant id"):
        tenants.find(control.context.store, "Acme'; --")


def test_without_a_warehouse_there_are_no_tenants(control: Control) -> None:
    control.path.unlink()
    assert tenants.every(control.context.store) == []


def test_a_local_export_is_an_absolute_path_or_glob(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.parquet").touch()
    monkeypatch.chdir(tmp_path)
    assert export_files.local_export("a.parquet") == str(tmp_path / "a.parquet")
    assert export_files.local_export("*.parquet") == str(tmp_path / "*.parquet")


def test_an_export_that_is_not_there_is_named_with_where_it_was_searched(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match=rf"not found: no file matches {tmp_path}/a\.parquet"):
        export_files.local_export(f"{tmp_path}/a.parquet")


@pytest.mark.parametrize("text", ["", ".", "folder"])
def test_a_folder_is_no_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """An empty text stood for the working directory."""
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageProblem, match=f"'{text}' was not found"):
        export_files.local_export(text)


ACCOUNT = "01ECB7-6EE0BA-7357F1"


def have_export(control: Control, accounts: str = "[]", projects: str = "[]") -> None:
    control.sql(
        "insert into tenants.tenant_exports by name select 'acme' as tenant_id, 'old' as"
        " export_ref, ? as billing_account_ids, ? as project_ids, false as has_unallocated",
        accounts,
        projects,
    )


def kept_filters(
    control: Control,
    new: tenants.Export,
    with_unallocated: bool | None = None,
    tenant_id: str = "acme",
) -> list[tenants.Export]:
    """What is kept of the tenant's filters when the export is named as given."""
    filters = (new.billing_accounts, new.projects, with_unallocated)
    spec = records.TenantSpec(tenant_id, "a@b.example", (new.ref,), None, None, *filters)
    return exports.keep_filters(spec, [new], records.on_record(control.context, tenant_id))


@pytest.mark.parametrize(
    ("new", "with_unallocated", "kept"),
    [
        (tenants.Export("new"), None, ((ACCOUNT,), ("proj-a",), False)),
        (tenants.Export("new"), True, ((ACCOUNT,), ("proj-a",), True)),
        (tenants.Export("new", ("X",)), None, (("X",), ("proj-a",), False)),
        (tenants.Export("new", (), ("b",), False), None, ((ACCOUNT,), ("b",), False)),
    ],
)
def test_filters_that_are_not_named_stay(
    control: Control, new: tenants.Export, with_unallocated: bool | None, kept: tuple[object, ...]
) -> None:
    have_export(control, f'["{ACCOUNT}"]', '["proj-a"]')
    (found,) = kept_filters(control, new, with_unallocated)
    assert found == tenants.Export("new", *kept)  # type: ignore[arg-type]


def test_a_newcomers_filters_are_as_named(control: Control) -> None:
    new = tenants.Export("new", (), ("b",), False)
    assert kept_filters(control, new, tenant_id="newco") == [new]


def test_filters_that_are_lost_are_not_taken_for_all_accounts(control: Control) -> None:
    with pytest.raises(UsageProblem, match="--all-accounts"):
        kept_filters(control, tenants.Export("new"))
    named = tenants.Export("new", (ACCOUNT,))
    assert kept_filters(control, named) == [named]


ENDS = "select trial_end_date, subscription_end_date from tenants.tenant_subscriptions"


def test_an_end_can_be_set_and_cleared(control: Control, runner: Callable[..., Result]) -> None:
    update = ("tenant", "update", "acme")
    acme = f"{ENDS} where tenant_id = 'acme'"
    assert runner(*update, "--trial-ends", "2030-01-31", "--ends", "2031-01-31").exit_code == 0
    assert control.sql(acme) == [(date(2030, 1, 31), date(2031, 1, 31))]
    assert runner(*update, "--ends", "never").exit_code == 0
    assert control.sql(acme) == [(date(2030, 1, 31), None)]
    assert runner(*update, "--trial-ends", "never").exit_code == 0
    assert control.sql(acme) == [(None, None)]


def test_without_a_subscription_none_is_reported_as_changed(
    control: Control, runner: Callable[..., Result]
) -> None:
    control.sql("delete from tenants.tenant_subscriptions where tenant_id = 'acme'")
    reported = runner("tenant", "update", "acme", "--plan", "scale")
    assert reported.exit_code == 2 and "runner tenant repair acme" in reported.output
    assert runner("tenant", "update", "acme", "--company", "New").exit_code == 0


def test_a_run_that_begins_while_its_tenant_is_removed_keeps_it(
    control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "end_dead_leases", lambda *args: control.add_run("RUNNING"))
    with pytest.raises(UsageProblem, match="active run"):
        remove.remove(control.context, "acme")
    assert tenants.find(control.context.store, "acme").status == "ACTIVE"


def test_a_tenant_is_removed_with_its_rows(control: Control) -> None:
    have_export(control)
    remove.remove(control.context, "acme")
    assert [one.id for one in tenants.every(control.context.store)] == ["globex"]
    for table in ("tenant_subscriptions", "tenant_exports"):
        rows = control.sql(f"select * from tenants.{table} where tenant_id = 'acme'")
        assert rows == [], table


def test_a_warehouse_that_cannot_be_written_is_unreachable(control: Control) -> None:
    (control.folder / "file").write_text("in the way")
    control.environ["WAREHOUSE_DIR"] = str(control.folder / "file" / "warehouse")
    with pytest.raises(WarehouseUnreachable, match="WAREHOUSE_DIR") as caught:
        control.context.dataset.prepare("acme")
    assert caught.value.exit_code == 4


def test_the_plans_are_the_predecessors() -> None:
    limits = {n: (p.daily_limit, p.concurrent_limit) for n, p in tenants.PLANS.items()}
    assert limits == {"starter": (6, 3), "professional": (25, 5), "scale": (100, 10)}
