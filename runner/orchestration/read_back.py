"""What a run reads from the tenant's data after dbt has ended, before it releases the data."""

import logging
from collections.abc import Iterable
from dataclasses import replace

from runner import expectations
from runner.control.runs import Run
from runner.dataset import publications_sql as sql
from runner.dataset.dataset import Dataset
from runner.engine.job import Node, Outcome
from runner.expectations import FailedExpectation
from runner.orchestration import publications, standing
from runner.orchestration.standing import Publication
from runner.sql import Row

log = logging.getLogger(__name__)


def published(dataset: Dataset, run: Run) -> tuple[Publication, ...] | None:
    """What the run published, merged by table; None when it cannot be read. Never raises."""
    rows = _rows(dataset, run, sql.PUBLICATIONS_OF_RUN)
    return None if rows is None else publications.per_table(publications.of_rows(rows))


def explained(dataset: Dataset, run: Run, outcome: Outcome) -> Outcome:
    """The outcome with its failed expectations, and after a failure what readers see now.

    A node's message and row count are those of its failed expectations. What cannot be read is
    taken from dbt's own result. Never raises.
    """
    rows = _rows(dataset, run, sql.DQ_RESULTS)
    read = with_failed_expectations(outcome, expectations.of_rows(rows or ()))
    read = replace(read, expectations_passed=sum(r["expectations_passed"] or 0 for r in rows or ()))
    if outcome.success:
        return read
    seen = _rows(dataset, run, sql.PUBLICATIONS)
    if seen is None:
        return read
    return replace(read, readers_see=standing.readers_see(run.id, publications.of_rows(seen)))


def with_failed_expectations(outcome: Outcome, recorded: Iterable[FailedExpectation]) -> Outcome:
    """The outcome with the failed expectations of the hook's record, else of dbt's messages."""
    by_node: dict[str, list[FailedExpectation]] = {}
    for one in recorded:
        by_node.setdefault(one.node, []).append(one)
    dated = {node.name for node in outcome.nodes if node.materialized == "incremental"}
    nodes: list[Node] = []
    found: list[FailedExpectation] = []
    for node in outcome.nodes:
        its = (by_node.get(node.unique_id) or _by_dbt(node)) if node.is_reported else []
        found += its
        nodes.append(_worded(node, its, dated))
    error = outcome.error
    before = outcome.failed_node
    worded = replace(outcome, nodes=tuple(nodes), failed_expectations=tuple(found))
    after = worded.failed_node
    if before and after and before.message != after.message:
        error = after.message
    return replace(worded, error=error)


def _by_dbt(node: Node) -> list[FailedExpectation]:
    """The failed expectations by dbt: of a model by its message, of a test its failing rows."""
    if node.type == "model":
        return expectations.of_message(node.unique_id, node.name, node.message)
    if node.type == "test" and node.status in ("fail", "warn"):
        return [FailedExpectation(node.unique_id, "", node.name, node.status, node.failures)]
    return []


def _worded(node: Node, found: list[FailedExpectation], dated: set[str]) -> Node:
    if not found:
        return replace(node, message=expectations.without_failures(node.message))
    table = found[0].table
    if node.type == "model":
        before = f"{node.name} was not published: "
    elif table and table not in dated and node.failed:
        before = f"The published tables passed their proofs, but {table} is wrong: "
    else:
        before = f"{table}: " if table else ""
    rows = [one.rows for one in found if one.rows is not None]
    return replace(
        node,
        message=before + expectations.joined(found),
        failures=sum(rows) if rows else node.failures,
    )


def _rows(dataset: Dataset, run: Run, statement: str) -> list[Row] | None:
    try:
        return dataset.read(
            run.tenant_id,
            statement.format(tenant=run.tenant_id),
            run_id=run.id,
            from_date=run.run_date,
            to_date=run.to_date,
        )
    except Exception as error:  # an incomplete record is better than none
        log.warning("run %s: its data cannot be read: %s", run.id, error)
        return None
