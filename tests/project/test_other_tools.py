"""The figures of other tools' ways of adding up that docs/verification.md states."""

import sys
from pathlib import Path

import pytest
from support import ROOT
from test_sample_export import generate

sys.path.append(str(ROOT / "tests" / "bench"))

import other_tools


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    sample: Path = generate(tmp_path_factory.mktemp("sample") / "export.parquet", 20_000)
    return other_tools.table(other_tools.totals(str(sample)))


def test_the_documented_figures_of_other_ways_are_what_they_make_of_the_sample(
    lines: list[str],
) -> None:
    documented = (ROOT / "dbt_project" / "docs" / "verification.md").read_text()
    written = documented.replace("the export itself, and `gcp_silver_cost`", "the export itself")
    assert len(lines) == 10
    assert [line for line in lines if line not in written.splitlines()] == []
