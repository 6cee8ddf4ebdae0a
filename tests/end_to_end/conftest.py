"""Fixtures of real dbt on DuckDB: warehouses that are made once, and copied by who changes them."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from exports import ACCOUNT, charge, write_parquet
from shop_rows import EUROS, OTHER, shared_rows
from support import of_session, only
from warm import serving
from world import SharedWorker, World, a_world
from xdist.scheduler import LoadFileScheduling

# Files that share the warehouse with the tenant shop: one process has all of them, and makes it.
OF_SHOP = ("charges", "data_quality", "dates_are_replaced", "own_models", "tenants_are_apart")


class ByFile(LoadFileScheduling):
    """Each process of pytest-xdist takes the next file; those of the shop are as one."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return "shop" if file.endswith(tuple(f"/test_{name}.py" for name in OF_SHOP)) else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    return ByFile(config, log)


@pytest.fixture(scope="session", autouse=True)
def shared_worker(
    clean_environment: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Commands called in this process share one dbt; programs that are started are forks."""
    forks = serving("mini", shared=of_session(tmp_path_factory))
    with forks, pytest.MonkeyPatch.context() as patch:
        os.umask(0o077)  # as the command has it
        patch.setattr("runner.engine.pool.Worker", SharedWorker)
        patch.setattr("runner.onboarding.builder.Worker", SharedWorker)
        yield
        if SharedWorker.process is not None:
            SharedWorker.process.stop()


@pytest.fixture(scope="module")
def only_the_bill(mini: World) -> Iterator[None]:
    """Runs of the file's tests leave the marts out, which takes a third of the time.

    The session's warehouse that they copy is made before, and complete.
    """
    with only("bill_run"):
        yield


@pytest.fixture(scope="module")
def only_the_layers(mini: World) -> Iterator[None]:
    """The same without tests that are not proofs, which take a third of that again."""
    with only("layers"):
        yield


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The warehouse of the session. Tests that only read it take a tenant of their own."""
    return a_world(tmp_path_factory.mktemp("world"))


@pytest.fixture
def empty_world(tmp_path: Path) -> World:
    """A warehouse where nothing was ever done."""
    return a_world(tmp_path)


@pytest.fixture(scope="session")
def shop(world: World) -> World:
    """Tenant `shop`: two accounts of an export shared with others, every trap in it, loaded."""
    export = write_parquet(world.folder / "exports" / "shared.parquet", shared_rows())
    world.add("shop", export, "--billing-account", ACCOUNT, "--billing-account", EUROS)
    world.run("shop", "2024-11-01", "2024-11-05")
    return world


@pytest.fixture(scope="session")
def split(shop: World) -> World:
    """Tenant `split`, beside shop on the same export: one project of the other account."""
    export = shop.folder / "exports" / "shared.parquet"
    printed = shop.add("split", export, "--billing-account", OTHER, "--project", "proj-b")
    assert "--with-unallocated" in printed, "what a set of projects leaves out is printed"
    shop.run("split", "2024-11-01", "2024-11-03")
    return shop


@pytest.fixture(scope="session")
def mini_rows() -> list[dict[str, Any]]:
    """Three good dates, and a fourth with three rows of an unknown cost type."""
    return [
        charge("2024-11-01", 1.0),
        charge("2024-11-01", 2.0),
        charge("2024-11-02", 3.0),
        charge("2024-11-03", 4.0),
        charge("2024-11-04", 5.0),
        *(charge("2024-11-04", 6.0, cost_type="surprise") for _ in range(3)),
    ]


@pytest.fixture(scope="session")
def mini(tmp_path_factory: pytest.TempPathFactory, mini_rows: list[dict[str, Any]]) -> World:
    """A warehouse with one tenant, `mini`, its good dates loaded. To be copied, never changed."""
    world = a_world(tmp_path_factory.mktemp("mini"))
    export = write_parquet(world.folder / "exports" / "mini.parquet", mini_rows)
    world.add("mini", export, "--company", "O'Neil & Söhne")
    world.run("mini", "2024-11-01", "2024-11-03")
    return world
