"""What tests give: a run, dbt's nodes and outcomes, the settings of a mail server."""

from datetime import UTC, date, datetime

from runner.control.runs import Run
from runner.engine.job import Node, Outcome
from runner.expectations import FailedExpectation
from runner.orchestration import read_back
from runner.pipelines import templates
from runner.settings import Mail


def a_run(**changes) -> Run:
    values = {
        "id": "11111111-2222-3333-4444-555555555555",
        "pipeline_id": "acme-gcp-cost-billing",
        "tenant_id": "acme",
        "status": "FAILED",
        "run_date": date(2024, 11, 1),
        "to_date": date(2024, 11, 1),
        "start_time": datetime(2024, 11, 2, 3, 4, 5, tzinfo=UTC),
        "end_time": None,
        "duration_ms": None,
        "trigger_type": "manual",
        "trigger_by": "cron",
        "error_message": None,
        "template": templates.DEFAULT,
        "row_count": None,
        "user_id": None,
    }
    return Run(**{**values, **changes})


def a_node(name: str, status: str, kind: str = "test", failures: int | None = None) -> Node:
    none = dict.fromkeys(
        ("rows", "bytes_processed", "bytes_billed", "job_id", "started_at", "completed_at")
    )
    built = "incremental" if kind == "model" else ""
    reported = (f"{kind}.p.{name}", name, kind, status, "Got it", failures, "error")
    return Node(*reported, **none, materialized=built)


FAILED = Outcome(
    False,
    "cost_type_is_known: Got it",
    (
        a_node("billing_cost_daily", "success", "model"),
        a_node("cost_type_is_known", "fail", failures=3),
        a_node("sku_is_not_null", "fail", failures=12),
        a_node("grain", "pass", failures=0),
        a_node("gcp_silver_cost", "skipped", "model"),
    ),
)
# The same once its failed expectations have been read.
REPORTED = read_back.with_failed_expectations(
    FAILED,
    [
        FailedExpectation(
            *("test.p.cost_type_is_known", "billing_cost_daily", "cost_type_is_known", "fail", 3),
            "cost_type is one that Google names.",
            ('{"cost_type": "surprise"}', '{"cost_type": "another"}'),
        )
    ],
)


def mail_at(port: int, **changes) -> Mail:
    values = {
        "host": "127.0.0.1",
        "port": port,
        "user": "",
        "password": "",
        "starttls": False,
        "sender": "billing@ours.example",
        "alert_to": (),
        "timeout_seconds": 3.0,
    }
    return Mail(**{**values, **changes})


GOOD = Outcome(True, None, (a_node("billing_cost_daily", "success", "model"),))
