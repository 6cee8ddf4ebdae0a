"""What a run would cost: each query of it by itself, with the least that BigQuery bills."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from control_file import DAY, Control
from given import a_node

from runner.dates import DateRange
from runner.engine.job import Node, Outcome
from runner.errors import StatementRefused
from runner.orchestration import estimate
from runner.pipelines import templates

MB = 2**20
TEMPLATE = templates.load(templates.DEFAULT)


def compiled(name: str, kind: str, code: str | None, materialized: str = "") -> Node:
    return replace(
        a_node(name, "success"), type=kind, compiled_code=code, materialized=materialized
    )


NODES = (
    compiled("stg_gcp_billing__export", "model", "select of a view", "view"),
    compiled("billing_cost_daily", "model", "select the bill", "incremental"),
    compiled("billing_cost_daily_expectations", "test", "select proofs of the bill"),
    compiled("cost_daily", "model", "select the mart", "incremental"),
    compiled("cost_daily_expectations", "test", "select proofs of the mart"),
    compiled("budgets", "seed", None, "seed"),
)
BILLED = {
    "select the bill": 2**40,
    "select proofs of the bill": 20 * MB,
    "select proofs of the mart": 30 * MB,
}


class Billed:
    """A dataset that knows what each query costs; the mart's input is not there yet."""

    def account_of(self, tenant: str) -> str:
        return ""

    def bytes_billed(self, tenant: str, sql: str) -> int:
        if sql in BILLED:
            return BILLED[sql]
        cause = type("NotFound", (Exception,), {})("Not found: Table cost_by_service_daily")
        raise StatementRefused("BigQuery has no such thing") from cause


@pytest.fixture
def found(control: Control) -> estimate.Estimate:
    @contextmanager
    def lend() -> Iterator[Any]:
        yield SimpleNamespace(run=lambda job: Outcome(True, None, NODES))

    given: Any = {"dataset": Billed(), "pool": SimpleNamespace(lend=lend)}
    context = replace(control.context, **given)
    return estimate.of(context, "acme", TEMPLATE, DateRange(DAY, DAY))


def test_each_query_and_each_proof_is_asked_for_by_itself(found: estimate.Estimate) -> None:
    assert [(one.model, one.bytes_billed) for one in found.models] == [
        ("billing_cost_daily", 2**40),
        ("billing_cost_daily_expectations", 20 * MB),
        ("cost_daily", None),
        ("cost_daily_expectations", 30 * MB),
    ]
    assert found.models[2].why == "known after the first run, which makes its input"


def test_their_sum_is_what_is_billed_at_the_least(found: estimate.Estimate) -> None:
    assert found.bytes_billed == 2**40 + 50 * MB
    assert found.dollars == Decimal("6.2503")


def test_a_query_over_the_cap_is_found(found: estimate.Estimate) -> None:
    assert replace(found, maximum_bytes_billed=2**40).over_the_cap == ()
    assert replace(found, maximum_bytes_billed=2**40 - 1).over_the_cap == found.models[:1]
