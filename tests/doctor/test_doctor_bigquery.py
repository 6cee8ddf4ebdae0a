"""What doctor makes of BigQuery's answers; that BigQuery takes its questions is tested there."""

import re
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support import ROOT

from runner.control import tenants
from runner.doctor import bigquery, examine
from runner.doctor import doctor_sql as sql
from runner.doctor.check import FAIL, OK, WARN, Scope
from runner.errors import StatementRefused, UsageProblem
from runner.settings import Settings, Target


class Answers:
    """A dataset that answers dry runs with bytes by the value asked for, reads with one row."""

    def __init__(self, row: dict[str, Any] | None = None, day: int = 0, complete: int = 0) -> None:
        self.row, self.day, self.complete = row or {}, day, complete
        self.bill: Exception | None = None
        self.asked: list[str] = []

    def account_of(self, tenant: str) -> str:
        return ""

    def bytes_read(self, tenant: str, text: str, **values: Any) -> int:
        self.asked.append(text)
        if isinstance(values.get("day"), date) and self.bill:
            raise self.bill
        since = values.get("since")
        return self.complete if isinstance(since, datetime) and since.year == 1970 else self.day

    def cancel_jobs(self, tenant: str, run_ids: tuple[str, ...]) -> None:
        assert not run_ids, "only listed: none is cancelled"
        self.asked.append("jobs")

    def read(self, *texts: str, **values: Any) -> list[dict[str, Any]]:
        """A statement, or a tenant and a statement."""
        self.asked.append(texts[-1])
        return [self.row]


@pytest.fixture
def scope_of(tmp_path: Path) -> Callable[[Answers], Scope]:
    """The scope of a tenant whose stores answer so."""
    return lambda answers: Scope(
        Settings(tmp_path, None, {}),
        lambda: SimpleNamespace(store=answers, dataset=answers),  # type: ignore[arg-type, return-value]
        "acme",
    )


ScopeOf = Callable[[Answers], Scope]


def test_a_day_that_costs_as_much_as_all_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, scope_of: ScopeOf
) -> None:
    export = tenants.Export("p.billing.export")
    monkeypatch.setattr(tenants, "exports", lambda *args: [export])
    result = bigquery.pruning(scope_of(Answers(day=10, complete=1000)))
    assert (result.status, result.remedy) == (OK, None)
    assert "10 bytes" in result.detail and "1,000" in result.detail
    result = bigquery.pruning(scope_of(Answers(day=1000, complete=1000)))
    assert result.status == FAIL and "every partition" in result.detail
    assert result.remedy == "bq show --format=prettyjson p:billing.export"


def test_pruning_that_nothing_is_known_of_is_no_good_news(scope_of: ScopeOf) -> None:
    assert bigquery.pruning(scope_of(Answers())).status == WARN


def test_a_bill_that_operators_cannot_ask_for_is_a_failure(scope_of: ScopeOf) -> None:
    answers = Answers(day=1, complete=2)
    answers.bill = StatementRefused("Cannot query without a filter over ingestion_date")
    assert bigquery.pruning(scope_of(answers)).status == FAIL


@pytest.mark.parametrize(
    ("row", "status"),
    [
        ({"charge_rows": 5, "least_lag": -1, "most_lag": 0, "unread_rows": 0}, OK),
        ({"charge_rows": 5, "least_lag": -3, "most_lag": 0, "unread_rows": 2}, FAIL),
        ({"charge_rows": 0, "least_lag": None, "most_lag": None, "unread_rows": 0}, WARN),
    ],
)
def test_rows_that_the_extraction_would_not_read_are_a_failure(
    scope_of: ScopeOf, row: dict[str, Any], status: str
) -> None:
    assert bigquery.partitions(scope_of(Answers({**row, "lag_days": None}))).status == status


@pytest.mark.parametrize(
    ("least", "seen", "far", "margin"),
    [(-1, None, 1, 2), (-1, 5, 5, 5), (-7, 5, 7, 5), (1, 0, 0, 2), (0, 300, 300, 90)],
)
def test_the_farthest_that_a_partition_was_from_its_rows_is_reported(
    scope_of: ScopeOf, least: int, seen: int | None, far: int, margin: int
) -> None:
    row = {"charge_rows": 5, "least_lag": least, "most_lag": 1, "unread_rows": 0, "lag_days": seen}
    result = bigquery.partitions(scope_of(Answers(row)))
    assert result.status == OK and f"at most {far} days after" in result.detail, result
    assert f"catch-up starts {margin} days before its mark" in result.detail, result


def test_a_tenants_dataset_is_asked_for_with_an_insert_that_is_not_run(scope_of: ScopeOf) -> None:
    answers = Answers()
    assert bigquery.permissions(scope_of(answers)).status == OK
    assert answers.asked == [sql.MAY_WRITE.format(tenant="acme"), "jobs"]


@pytest.mark.parametrize(
    ("refused", "location", "status"), [(0, "US", OK), (3, "europe-west4", WARN)]
)
def test_jobs_refused_for_a_quota_are_a_warning(
    monkeypatch: pytest.MonkeyPatch, scope_of: ScopeOf, refused: int, location: str, status: str
) -> None:
    target = Target("bigquery", "bigquery", {"location": location, "project": "ours"})
    monkeypatch.setattr(Settings, "target", lambda *args: target)
    row = {"jobs": 7, "refused": refused, "too_large": 0, "repeated": 2, "conflicts": 0}
    answers = Answers(row)
    result = bigquery.refused_jobs(scope_of(answers))
    assert result.status == status and "2 cancelled by a concurrent update" in result.detail
    # The command asks for nothing without whose quota it is.
    assert (result.remedy or "--consumer=projects/ours").endswith("--consumer=projects/ours")
    assert f"`region-{location.lower()}`" in answers.asked[0]


def test_jobs_beyond_bigquerys_resources_are_a_warning(
    monkeypatch: pytest.MonkeyPatch, scope_of: ScopeOf
) -> None:
    target = Target("bigquery", "bigquery", {"location": "US", "project": "ours"})
    monkeypatch.setattr(Settings, "target", lambda *args: target)
    row = {"jobs": 7, "refused": 0, "too_large": 3, "repeated": 0, "conflicts": 0}
    result = bigquery.refused_jobs(scope_of(Answers(row)))
    assert result.status == WARN and "3 beyond BigQuery's resources" in result.detail
    assert "fewer dates" in (result.remedy or "")
    # dbt's own jobs are not repeated, so such a run has failed.
    result = bigquery.refused_jobs(scope_of(Answers({**row, "too_large": 0, "conflicts": 1})))
    assert result.status == WARN and "--status FAILED" in (result.remedy or "")


@pytest.mark.parametrize(
    ("zone", "is_reported"),
    [("UTC", False), ("America/Los_Angeles", True), ("Europe/Berlin", True)],
)
def test_the_time_zone_of_a_session_is_reported_and_has_no_effect(
    scope_of: ScopeOf, zone: str, is_reported: bool
) -> None:
    result = bigquery.time_zone(scope_of(Answers({"time_zone": zone})))
    assert result.status == OK and zone in result.detail and "name UTC" in result.detail
    assert ("your own queries" in result.detail) is is_reported


def test_the_first_day_is_documented_and_tried_with_every_check_that_bigquery_alone_has() -> None:
    checks = (*examine.WAREHOUSE_CHECKS, *examine.TENANT_CHECKS)
    ours = {one.name for one in checks if one.when in (bigquery.is_used, bigquery.reads_a_table)}
    assert len(ours) >= 6
    text = (ROOT / "dbt_project" / "docs" / "bigquery.md").read_text()
    documented = set(
        re.findall(r"^\| `([a-z ]+)` \|", text.split("## On the first real day")[1], re.M)
    )
    smoke = (ROOT / "tests" / "bigquery" / "smoke.sh").read_text()
    tried = set(re.findall(r'"([a-z ]+)"', smoke.split("names = ")[1].splitlines()[0]))
    assert ours <= documented == tried


def test_a_location_is_a_name_before_it_is_sql(
    monkeypatch: pytest.MonkeyPatch, scope_of: ScopeOf
) -> None:
    target = Target("bigquery", "bigquery", {"location": "us`.x; drop table y"})
    monkeypatch.setattr(Settings, "target", lambda *args: target)
    with pytest.raises(UsageProblem, match="is not a valid location"):
        bigquery.refused_jobs(scope_of(Answers()))
