"""A failed run: recorded, mailed over a real SMTP server, exit 1; the last good rows are known."""

import json
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy

import pytest
from exports import charge, write_parquet
from support import Inbox, only
from world import EMAIL, World

DAY = "2024-11-04"
SUBJECT = "[ALERT] Cost Billing Pipeline Failed - mini"
EXPECTATION = "cost_type_is_known"


@pytest.fixture(scope="module")
def broken(mini: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    """Tenant mini; its export has, on DAY, an unknown cost type."""
    return mini.copy(tmp_path_factory.mktemp("broken"))


def smtp(inbox: Inbox) -> dict[str, str]:
    return {
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(inbox.port),
        "ALERT_TO": "ops@ours.example",
        "ALERT_FROM": "billing@ours.example",
    }


def received(inbox: Inbox):
    (envelope,) = inbox.mails
    assert isinstance(envelope.content, bytes)
    return envelope, message_from_bytes(envelope.content, policy=policy.default)


def test_a_failing_test_fails_the_run_records_it_and_mails_it(broken: World, inbox: Inbox) -> None:
    answer = broken.cli("run", "--tenant", "mini", "--date", DAY, "--json", **smtp(inbox))
    assert answer.returncode == 1 and "Traceback" not in answer.stderr
    document = json.loads(answer.stdout)
    run_id = document["pipeline_logging_id"]
    assert document["status"] == "FAILED"
    assert document["error"].startswith(
        "billing_cost_daily was not published: cost_type_is_known failed for 3 rows ("
    )
    assert document["error"].endswith(". Nothing is published for these dates.")
    assert "surprise" in document["error"] and "Got " not in document["error"]
    assert document["tests"]["failed"] == 1 and document["tests"]["passed"] > 5

    envelope, message = received(inbox)
    assert message["Subject"] == SUBJECT
    assert envelope.rcpt_tos == [EMAIL, "ops@ours.example"]
    for kind in ("plain", "html"):
        body = message.get_body((kind,)).get_content()
        assert run_id in body and DAY in body and EXPECTATION in body
        assert "surprise" in body, "the rows are named"
        assert "Got " not in body and "<failures>" not in body

    assert broken.control(
        "select status, error_message from mini.x_meta_pipeline_runs where pipeline_logging_id = ?",
        run_id,
    ) == [("FAILED", document["error"])]
    steps = {
        name: (status, rows)
        for name, status, rows in broken.control(
            "select step_name, status, row_count from mini.x_meta_step_logs"
            " where pipeline_logging_id = ?",
            run_id,
        )
    }
    assert steps["billing_cost_daily"] == ("FAILED", None)
    assert steps["gcp_silver_cost"][0] == "SKIPPED"
    assert steps["cost_by_service_daily"][0] == "SKIPPED"
    assert steps["Mail the failure"][0] == "COMPLETED"
    assert "RUNNING" not in {status for status, _ in steps.values()}

    (row,) = broken.data(
        "mini",
        "select overall_status, severity, failed_rows, target_table, expectations_failed,"
        " failed_expectations->0->>'expectation', ingestion_date::varchar, tenant_id"
        " from mini.x_meta_dq_results where pipeline_logging_id = ? and dq_config_id = ?",
        run_id,
        "billing_cost_daily__error",
    )
    # the rows, not the distinct values, are what people ask for
    assert row == ("FAIL", "error", 3, "billing_cost_daily", 1, EXPECTATION, DAY, "mini")


def test_a_failed_first_run_published_nothing(broken: World) -> None:
    ((publications, rows),) = broken.control(
        "select publications, row_count from mini.x_meta_pipeline_runs where run_date = ?", DAY
    )
    assert json.loads(publications) == [] and rows is None


def test_other_tests_of_the_failed_run_are_distinguished_as_skipped_or_passed(
    broken: World,
) -> None:
    statuses = dict(
        broken.data(
            "mini",
            "select overall_status, count(*) from mini.x_meta_dq_results"
            " where ingestion_date = ? group by all",
            DAY,
        )
    )
    assert statuses["PASS"] > 5 and statuses["SKIPPED"] > 3


def test_the_next_date_of_the_tenant_runs_as_if_nothing_had_been(broken: World) -> None:
    document = broken.run("mini", "2024-11-02")
    assert (document["rows"], document["tests"]["failed"]) == (1, 0)


def test_a_run_records_what_it_published_and_status_and_steps_show_it(broken: World) -> None:
    """The predecessor logged its steps with row counts, and operators query them."""
    ((run_id, text),) = broken.control(
        "select pipeline_logging_id, publications from mini.x_meta_pipeline_runs"
        " where run_date = '2024-11-02' order by start_time desc limit 1"
    )
    published = {one["table"]: one for one in json.loads(text)}
    bill, silver = published["billing_cost_daily"], published["gcp_silver_cost"]
    assert bill["rows"] == silver["rows"] == 1 and bill["net"] == silver["net"]
    assert silver["read_tables"] == ["billing_cost_daily"] and silver["expectations_passed"] > 1
    steps = dict(
        broken.control(
            "select step_name, row_count from mini.x_meta_step_logs"
            " where pipeline_logging_id = ? and step_type = 'model' and row_count is not null",
            run_id,
        )
    )
    assert steps == {table: one["rows"] for table, one in published.items()}
    reported = broken("status", run_id, "--tenant", "mini").stdout
    assert f"2024-11-02: {len(published)} tables by this run" in reported
    found = broken("doctor", "--tenant", "mini").stdout
    layers = next(line for line in found.splitlines() if "layers mini" in line)
    assert (
        layers.startswith("ok") and f"2024-11-02: {len(published)} tables by run {run_id}" in layers
    )


def test_a_vanished_export_is_the_runs_failure(broken: World, mini: World, inbox: Inbox) -> None:
    export = mini.folder / "exports" / "mini.parquet"
    hidden = export.rename(export.with_suffix(".hidden"))
    try:
        before = broken.rows("mini")
        answer = broken("run", "--tenant", "mini", "--date", "2024-11-02", "--json", **smtp(inbox))
    finally:
        hidden.rename(export)
    assert answer.exit_code == 1
    document = json.loads(answer.stdout)
    assert document["status"] == "FAILED" and "mini.parquet" in document["error"]
    assert "\n" not in document["error"]
    assert received(inbox)[1]["Subject"] == SUBJECT
    assert broken.control(
        "select status from mini.x_meta_pipeline_runs where pipeline_logging_id = ?",
        document["pipeline_logging_id"],
    ) == [("FAILED",)]
    assert broken.rows("mini") == before, "what was loaded before stays as it was"


def test_after_a_failure_the_date_can_be_run_again_at_once(broken: World) -> None:
    with only("bill_run"):
        assert broken.run("mini", "2024-11-02")["rows"] == 1


def test_an_export_that_has_stopped_is_mailed_by_catch_up_and_so_is_its_return(
    empty_world: World, inbox: Inbox
) -> None:
    """By a run of yesterday, which fails; the next catch-up runs that again, and mails no more."""
    today = datetime.now(UTC).date()
    rows = [charge(f"{today - timedelta(days=n)}") for n in (5, 4)]
    export = write_parquet(empty_world.folder / "exports" / "e.parquet", rows)
    empty_world.add("mini", export)
    yesterday = f"{today - timedelta(days=1)}"
    catch_up = ("catch-up", "--tenant", "mini", "--json")
    with only("bill_run"):
        assert empty_world(*catch_up, **smtp(inbox)).exit_code == 0, "the backfill"
        for _ in range(2):
            answer = empty_world(*catch_up, **smtp(inbox))
            document = json.loads(answer.stdout)
            assert answer.exit_code == 1 and "export of mini has stopped" in document["error"]
            (run,) = document["runs"]
            assert (run["run_date"], run["to_date"], run["status"]) == (*[yesterday] * 2, "FAILED")
        envelope, message = received(inbox)
        assert "export_has_not_stopped" in message.get_body(("plain",)).get_content()
        assert envelope.rcpt_tos == [EMAIL, "ops@ours.example"]

        write_parquet(export, [*rows, *(charge(yesterday) for _ in range(2))])
        answer = empty_world(*catch_up, **smtp(inbox))
        assert answer.exit_code == 0, answer.output
    assert [len(inbox.mails), json.loads(answer.stdout)["error"]] == [2, None]
    assert empty_world.bill("mini")[today - timedelta(days=1)][0] == 2
