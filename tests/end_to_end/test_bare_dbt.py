"""dbt without the runner: the same rows, and the same data-quality results."""

import json
from datetime import date

import pytest
from world import SharedWorker, World

from runner.engine.job import Job

MARTS = ("gcp_silver_cost", "cost_by_service_daily", "invoice_cost_daily")


# The unit tests of the models have a command of their own, and cost ten seconds.
QUICK = {"DBT_EXCLUDE_RESOURCE_TYPES": "unit_test"}


@pytest.fixture(scope="module")
def bare(mini: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    """Three dates were loaded by the runner; bare dbt loads one again, its date unquoted."""
    world = mini.copy(tmp_path_factory.mktemp("bare"))
    built = world.dbt("build", "--vars", "{tenant_id: mini, date: 2024-11-02}", **QUICK)
    assert built.returncode == 0, built.stdout
    return world


def test_a_build_with_an_unquoted_date_replaces_that_date_and_no_other(
    bare: World, mini: World
) -> None:
    assert bare.bill("mini") == mini.bill("mini")
    for mart in MARTS:
        assert bare.rows("mini", mart) == mini.rows("mini", mart), mart
    marks = "select distinct ingestion_date, pipeline_logging_id from mini.billing_cost_daily"
    changed = set(bare.data("mini", marks)) - set(mini.data("mini", marks))
    assert [day for day, _ in changed] == [date(2024, 11, 2)]


def test_a_build_keeps_its_results_under_dbts_own_id(bare: World) -> None:
    rows = bare.data(
        "mini",
        "select distinct pipeline_logging_id, overall_status, to_date from mini.x_meta_dq_results"
        " where ingestion_date = '2024-11-02'",
    )
    assert [row[1:] for row in rows] == [("PASS", date(2024, 11, 2))]
    assert len(rows[0][0]) == 36
    loaded = bare.data(
        "mini",
        "select distinct pipeline_logging_id from mini.billing_cost_daily"
        " where ingestion_date = '2024-11-02'",
    )
    assert loaded == [(rows[0][0],)]


def test_a_build_does_not_touch_the_runners_tables(bare: World) -> None:
    assert len(json.loads(bare("runs", "--tenant", "mini", "--json").stdout)) == 1


@pytest.mark.parametrize("command", [("compile",), ("docs", "generate")])
def test_what_loads_nothing_needs_no_dates(bare: World, command: tuple[str, ...]) -> None:
    before = bare.bill("mini")
    done = bare.dbt(*command, "--vars", "{tenant_id: mini}")
    assert done.returncode == 0, done.stdout
    assert bare.bill("mini") == before


def test_an_unknown_tenant_is_refused(bare: World) -> None:
    done = bare.dbt("compile", "--vars", "{tenant_id: unknown}")
    assert done.returncode != 0 and "Tenant unknown has no export" in done.stdout


def test_a_build_without_dates_reports_how_to_name_them(bare: World) -> None:
    done = bare.dbt("build", "--select", "billing_cost_daily", "--vars", "{tenant_id: mini}")
    assert done.returncode != 0 and "The dates are missing. Call dbt with --vars" in done.stdout


def test_a_bare_test_checks_all_that_is_loaded_and_keeps_its_results(bare: World) -> None:
    tested = bare.dbt("test", "--vars", "{tenant_id: mini}", **QUICK)
    assert tested.returncode == 0, tested.stdout
    ((passed, tables),) = bare.data(
        "mini",
        "select count(*), count(distinct target_table) from mini.x_meta_dq_results"
        " where ingestion_date is null and overall_status = 'PASS'",
    )
    assert passed > 20 and tables >= 4


def test_a_transaction_that_bigquery_cancelled_is_explained(bare: World) -> None:
    """As the on-run-end hook does, which has dbt's results; here they are given."""
    results = [
        {
            "node": {"name": name},
            "message": message,
        }
        for name, message in (
            ("gcp_silver_cost", "Transaction is aborted due to concurrent update against table t"),
            ("billing_cost_daily", "Syntax error"),
            ("cost_daily", None),
        )
    ]
    called = bare.dbt(
        *("run-operation", "explain_cancelled_transactions"),
        *("--args", json.dumps({"results": results}), "--vars", "{tenant_id: mini}"),
    )
    assert called.returncode == 0, called.stdout
    reported = [line for line in called.stdout.splitlines() if "is writing" in line]
    assert (
        len(reported) == 1
        and "gcp_silver_cost keeps its old rows: another dbt run of this" in reported[0]
    )


def test_a_full_refresh_of_one_date_does_not_drop_the_others(bare: World, mini: World) -> None:
    assert SharedWorker.process is not None
    refreshed = SharedWorker.process.run(
        Job(
            "mini",
            ("run", "--full-refresh", "--selector", "cost_billing"),
            {"date": "2024-11-01"},
            {"WAREHOUSE_DIR": str(bare.warehouse)},
        )
    )
    assert refreshed.success, refreshed.error
    assert bare.bill("mini") == mini.bill("mini")
    for mart in MARTS:
        assert bare.rows("mini", mart) == mini.rows("mini", mart), mart
    assert bare.data("mini", "select count(*) > 0 from mini.x_meta_dq_results") == [(True,)]
    assert bare.data("mini", "select count(*) from mini.x_meta_exports") == [(1,)]
    assert len(json.loads(bare("runs", "--tenant", "mini", "--json").stdout)) == 1
