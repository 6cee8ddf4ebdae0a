"""What the documents name is there."""

import re

import pytest
from support import ROOT

DOCS = ROOT / "dbt_project" / "docs"
TESTS = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))


@pytest.mark.parametrize("name", ["threats.md", "verification.md"])
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
