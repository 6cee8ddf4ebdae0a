"""What doctor makes of BigQuery's answers; that BigQuery takes its questions is tested there."""

from datetime import date, datetime
from typing import Any

import pytest

from runner.control import tenants
from runner.doctor import bigquery
from runner.doctor import doctor_sql as sql
from runner.doctor.check import FAIL, OK, WARN
from runner.errors import StatementRefused, UsageProblem
from runner.settings import Settings, Target


class Answers:
    """A warehouse that answers dry runs with bytes by the value asked for, reads with one row."""

    def __init__(self, row: dict[str, Any] | None = None, day: int = 0, whole: int = 0) -> None:
        self.row, self.day, self.whole = row or {}, day, whole
        self.bill: Exception | None = None
        self.asked: list[str] = []

    def account_of(self, tenant: str) -> str:
        return ""

    def bytes_read(self, tenant: str, text: str, **values: Any) -> int:
        self.asked.append(text)
        if isinstance(values.get("day"), date) and self.bill:
            raise self.bill
        since = values.get("since")
        return self.whole if isinstance(since, datetime) and since.year == 1970 else self.day

    def read(self, text: str, **values: Any) -> list[dict[str, Any]]:
        self.asked.append(text)
        return [self.row]

    def read_data(self, tenant: str, text: str, **values: Any) -> list[dict[str, Any]]:
        return self.read(text)


def test_a_day_that_costs_as_much_as_all_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    export = tenants.Export("p.billing.export")
    monkeypatch.setattr(tenants, "exports", lambda *args: [export])
    status, told, remedy = bigquery.pruning(Answers(day=10, whole=1000), "acme")
    assert (status, remedy) == (OK, None) and "10 bytes" in told and "1,000" in told
    status, told, remedy = bigquery.pruning(Answers(day=1000, whole=1000), "acme")
    assert status == FAIL and "every partition" in told
    assert remedy == "bq show --format=prettyjson p:billing.export"


def test_pruning_that_nothing_is_known_of_is_no_good_news() -> None:
    assert bigquery.pruning(Answers(), "acme")[0] == WARN


def test_a_bill_that_operators_cannot_ask_for_is_a_failure() -> None:
    answers = Answers(day=1, whole=2)
    answers.bill = StatementRefused("Cannot query without a filter over ingestion_date")
    assert bigquery.pruning(answers, "acme")[0] == FAIL


@pytest.mark.parametrize(
    ("row", "status"),
    [
        ({"charge_rows": 5, "least_lag": -1, "most_lag": 0, "unread_rows": 0}, OK),
        ({"charge_rows": 5, "least_lag": -3, "most_lag": 0, "unread_rows": 2}, FAIL),
        ({"charge_rows": 0, "least_lag": None, "most_lag": None, "unread_rows": 0}, WARN),
    ],
)
def test_rows_that_the_extraction_would_not_read_are_a_failure(
    row: dict[str, Any], status: str
) -> None:
    assert bigquery.partitions(Answers(row), "acme")[0] == status


def test_a_tenants_dataset_is_asked_for_with_an_insert_that_is_not_run() -> None:
    answers = Answers()
    assert bigquery.permissions(answers, "acme")[0] == OK
    assert answers.asked == [sql.MAY_WRITE.format(tenant="acme")]


@pytest.mark.parametrize(
    ("refused", "location", "status"), [(0, "US", OK), (3, "europe-west4", WARN)]
)
def test_jobs_refused_for_a_quota_are_told(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, refused: int, location: str, status: str
) -> None:
    target = Target("bigquery", "bigquery", {"location": location, "project": "ours"})
    monkeypatch.setattr(Settings, "target", lambda *args: target)
    answers = Answers({"jobs": 7, "refused": refused})
    found, _, remedy = bigquery.refused_jobs(answers, settings)
    assert found == status
    # The command asks for nothing without whose quota it is.
    assert (remedy or "--consumer=projects/ours").endswith("--consumer=projects/ours")
    assert f"`region-{location.lower()}`" in answers.asked[0]


def test_a_location_is_a_name_before_it_is_sql(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    target = Target("bigquery", "bigquery", {"location": "us`.x; drop table y"})
    monkeypatch.setattr(Settings, "target", lambda *args: target)
    with pytest.raises(UsageProblem, match="no BigQuery location"):
        bigquery.refused_jobs(Answers(), settings)


@pytest.fixture
def settings(tmp_path: Any) -> Settings:
    return Settings(tmp_path, None, {})
