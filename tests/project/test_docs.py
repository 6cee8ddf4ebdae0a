"""What the documents name is there."""

import re
from decimal import Decimal

import pytest
from support import ROOT

DOCS = ROOT / "dbt_project" / "docs"
TESTS = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))


@pytest.mark.parametrize("name", ["threats.md", "verification.md", "bigquery.md"])
def test_the_tests_that_a_document_names_are_there(name: str) -> None:
    text = (DOCS / name).read_text()
    for named in re.findall(r"`(test_\w+)`", text):
        assert f"def {named}(" in TESTS, named
    for file in re.findall(r"`(tests/\w+/\w+\.py)`", text):
        assert (ROOT / file).is_file(), file


def test_an_attack_is_a_line_with_its_answer_and_its_test() -> None:
    text = (DOCS / "verification.md").read_text()
    section = text.split("## Attacks and their answers\n")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")][2:]
    assert len(rows) >= 12
    for row in rows:
        attack, answer, test = row.strip("| ").split(" | ")
        assert attack and answer and re.search(r"`(test_\w+|tests/.+)`", test), row


def test_the_threat_model_is_found_and_short() -> None:
    assert "(docs/threats.md)" in (ROOT / "README.md").read_text()
    assert "(threats.md)" in (DOCS / "api.md").read_text()
    text = (DOCS / "threats.md").read_text()
    assert len(text.splitlines()) <= 120
    for heading in ("Who is trusted with what", "What is defended", "What is not defended"):
        assert f"\n## {heading}\n" in text


def test_the_price_of_a_night_on_bigquery_follows_from_what_was_measured() -> None:
    text = (DOCS / "bigquery.md").read_text()
    section = text.split("### A night of many tenants\n")[1].split("\n## ")[0]
    measured = " ".join(section.split("| tenants |")[0].split())

    def number(words: str) -> int:
        found = re.search(words, measured)
        assert found, words
        return int(found.group(1))

    runs = number(r"is (\d+) jobs that read"), number(r"jobs that read (\d+) tables \(each")
    checks = number(r"nothing is (\d+) jobs"), number(r"that read (\d+) tables \(13")
    polls, each = number(r"runner checks (\d+) times"), number(r"steps: (\d+) tables each")
    tables = runs[1] + checks[1] + polls * each
    assert number(r"Together (\d+) tables") == tables
    rows = [
        line.strip("| ").split(" | ")
        for line in section.splitlines()
        if re.match(r"\| [\d,]+ ", line)
    ]
    for row in [[re.sub("[,$]", "", cell).removesuffix(" GB") for cell in row] for row in rows]:
        tenants, jobs, read, billed, night, month = map(Decimal, row)
        assert (jobs, read) == (tenants * (runs[0] + checks[0] + polls), tenants * tables)
        assert abs(billed - read * 10 / 1024) < Decimal("0.1")
        dollars = read * 10 / 1024 / 1024 * Decimal("6.25")
        assert abs(night - dollars) < Decimal("0.01") and abs(month - 30 * dollars) < 1
    assert [row[0] for row in rows] == ["10", "100", "1,000"]
    # The budget that holds these figures, see test_a_command_is_few_jobs_that_name_few_tables.
    budget = (ROOT / "tests" / "bigquery" / "test_end_to_end.py").read_text()
    (most,) = re.findall(r'"gamma again", (\d+), \d+, \d+, (\d+)', budget)
    assert runs[0] <= int(most[0]) <= runs[0] + 5 and runs[1] <= int(most[1]) <= runs[1] + 5
