"""What the bill of a date was after each run stays known, also when the charges are gone."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from exports import charge, write_parquet
from world import SharedWorker, World

from runner.engine.job import Job

FIRST, SECOND, THIRD = date(2024, 11, 1), date(2024, 11, 2), date(2024, 11, 3)
LATE = charge("2024-11-01", -0.5, export_time="2025-02-01 00:00:00+00", invoice={"month": "202501"})
DRIFTED = "closed_months_net_drifted"


@pytest.fixture(scope="module")
def reported(
    mini: World, mini_rows: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[World, Path]]:
    """Loaded, loaded again after a correction and a loss, and once more with nothing new."""
    world = mini.copy(tmp_path_factory.mktemp("restated"))
    export = mini.folder / "exports" / "mini.parquet"
    try:
        write_parquet(export, [*mini_rows[:2], LATE, mini_rows[3]])
        world.run("mini", "2024-11-01", "2024-11-02")
        world.run("mini", "2024-11-01", "2024-11-03")
        yield world, export
    finally:
        write_parquet(export, mini_rows)


def ledger(world: World, day: date) -> list[tuple[Any, ...]]:
    """Rows, net, net before and change of a date, run after run."""
    return world.data(
        "mini",
        "select charge_rows, billed_cost, previous_billed_cost, change_billed_cost"
        " from mini.restatement_ledger where usage_date = ? order by load_number",
        day,
    )


def test_each_run_of_a_date_has_its_row_with_what_it_changed(reported) -> None:
    world, _ = reported
    assert ledger(world, FIRST) == [
        (2, Decimal(3), None, Decimal(3)),
        (3, Decimal("2.5"), Decimal(3), Decimal("-0.5")),
        (3, Decimal("2.5"), Decimal("2.5"), Decimal(0)),
    ]


def test_a_date_that_has_become_empty_is_reported_with_0(reported) -> None:
    world, _ = reported
    assert SECOND not in world.bill("mini")
    assert ledger(world, SECOND) == [
        (1, Decimal(3), None, Decimal(3)),
        (0, Decimal(0), Decimal(3), Decimal(-3)),
        (0, Decimal(0), Decimal(0), Decimal(0)),
    ]


def test_a_run_adds_no_row_to_a_date_it_did_not_load(reported) -> None:
    world, _ = reported
    assert [row[-1] for row in ledger(world, THIRD)] == [Decimal(4), Decimal(0)]
    runs = world.control("select pipeline_logging_id from mini.x_meta_pipeline_runs")
    written = world.data("mini", "select distinct pipeline_logging_id from mini.restatement_ledger")
    assert set(written) == set(runs)


def test_a_restatement_of_a_closed_month_warns_with_before_and_after(reported) -> None:
    world, _ = reported
    found = world.failed_expectations("mini", "restatement_ledger__warn", DRIFTED)
    assert [one.get("status") for one in found] == [None, "warn", None]
    assert found[1]["failing_rows"] == 2
    moved = {row["usage_date"]: row for row in found[1]["samples"]}
    assert Decimal(moved["2024-11-02"]["net_before"]) == 3
    assert Decimal(moved["2024-11-02"]["net_after"]) == 0


def test_a_run_that_is_repeated_under_its_id_is_recorded_once(
    reported, mini_rows: list[dict[str, Any]]
) -> None:
    """The second try finds the first one's rows, and a date that lost its charges in between."""
    world, export = reported
    before = {day: ledger(world, day) for day in (FIRST, SECOND, THIRD)}

    def load(rows: list[dict[str, Any]], *flags: str) -> None:
        write_parquet(export, rows)
        assert SharedWorker.process is not None
        outcome = SharedWorker.process.run(
            Job(
                "mini",
                (
                    *("build", "--select", "+restatement_ledger", "+cost_by_account_daily"),
                    *("--indirect-selection", "cautious", "--exclude-resource-type", "unit_test"),
                    *flags,
                ),
                {
                    "from_date": "2024-11-01",
                    "to_date": "2024-11-03",
                    "pipeline_logging_id": "repeated",
                },
                environ={"WAREHOUSE_DIR": str(world.warehouse)},
            )
        )
        assert outcome.success, outcome.error

    moved = [*mini_rows[:2], LATE, mini_rows[2]]
    for _ in range(2):
        load(moved)
        assert ledger(world, FIRST) == [
            *before[FIRST],
            (3, Decimal("2.5"), Decimal("2.5"), Decimal(0)),
        ]
        assert ledger(world, SECOND) == [
            *before[SECOND],
            (1, Decimal(3), Decimal(0), Decimal(3)),
        ]
        assert ledger(world, THIRD) == [*before[THIRD], (0, Decimal(0), Decimal(4), Decimal(-4))]
    load([*mini_rows[:2], mini_rows[3]], "--full-refresh")
    assert [ledger(world, day)[-1] for day in (FIRST, SECOND, THIRD)] == [
        (2, Decimal(3), Decimal("2.5"), Decimal("0.5")),
        (0, Decimal(0), Decimal(0), Decimal(0)),
        (1, Decimal(4), Decimal(4), Decimal(0)),
    ]
    assert [ledger(world, day)[:-1] for day in (FIRST, SECOND, THIRD)] == list(before.values())


def test_a_date_that_was_loaded_and_one_that_was_not_are_known_apart(reported) -> None:
    world, _ = reported
    days = world.data(
        "mini",
        "select day(usage_date), is_loaded, billed_cost from mini.cost_by_account_daily"
        " where usage_date <= '2024-11-04' order by 1",
    )
    assert days == [
        (1, True, Decimal(3)),
        (2, True, Decimal(0)),
        (3, True, Decimal(4)),
        (4, False, None),
    ]
