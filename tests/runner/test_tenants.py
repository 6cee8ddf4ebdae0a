"""Tenants as the runner finds them, and what stands before anything is written."""

from pathlib import Path

import pytest
from control_file import Control

from runner import tenants
from runner.errors import UsageProblem, WarehouseUnreachable


def test_tenants_are_listed_by_id(control: Control) -> None:
    found = tenants.every(control.warehouse)
    assert [(one.id, one.status, one.daily_limit) for one in found] == [
        ("acme", "ACTIVE", 25),
        ("globex", "ACTIVE", 25),
    ]


def test_a_deleted_tenant_is_not_there(control: Control) -> None:
    control.sql("update tenants.tenant_profiles set status='DELETED' where tenant_id = 'acme'")
    assert [one.id for one in tenants.every(control.warehouse)] == ["globex"]
    with pytest.raises(UsageProblem, match="no tenant 'acme'"):
        tenants.find(control.warehouse, "acme")


def test_a_tenant_that_was_never_added_is_answered_with_near_ones(control: Control) -> None:
    with pytest.raises(UsageProblem, match="did you mean globex"):
        tenants.find(control.warehouse, "globx")


def test_a_tenant_like_no_other_is_answered_with_the_list(control: Control) -> None:
    with pytest.raises(UsageProblem, match="runner tenant list"):
        tenants.find(control.warehouse, "zzz")


def test_an_invalid_id_is_told_before_the_warehouse_is_asked(control: Control) -> None:
    control.path.unlink()
    with pytest.raises(UsageProblem, match="is no tenant id"):
        tenants.find(control.warehouse, "Acme'; --")


def test_without_a_warehouse_there_are_no_tenants(control: Control) -> None:
    control.path.unlink()
    assert tenants.every(control.warehouse) == []


def test_a_local_export_is_an_absolute_path_or_glob(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.parquet").touch()
    monkeypatch.chdir(tmp_path)
    assert tenants.local_export("a.parquet") == str(tmp_path / "a.parquet")
    assert tenants.local_export("*.parquet") == str(tmp_path / "*.parquet")


def test_an_export_that_is_not_there_is_named_with_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match=rf"not found: no file is at {tmp_path}/a\.parquet"):
        tenants.local_export(f"{tmp_path}/a.parquet")


def test_a_warehouse_that_cannot_be_written_is_unreachable(control: Control) -> None:
    (control.folder / "file").write_text("in the way")
    control.environ["WAREHOUSE_DIR"] = str(control.folder / "file" / "warehouse")
    with pytest.raises(WarehouseUnreachable, match="WAREHOUSE_DIR") as caught:
        control.warehouse.prepare("acme")
    assert caught.value.exit_code == 4


def test_the_plans_are_the_predecessors() -> None:
    limits = {n: (p.daily_limit, p.concurrent_limit) for n, p in tenants.PLANS.items()}
    assert limits == {"starter": (6, 3), "professional": (25, 5), "scale": (100, 10)}
