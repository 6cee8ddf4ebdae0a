"""What the documents name is there."""

import re
import shlex
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from support import ROOT

from runner.onboarding import project

DOCS = ROOT / "dbt_project" / "docs"
DEPLOYMENT = (DOCS / "deployment.md").read_text()
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


def test_the_documents_call_the_command_as_it_is_found_in_every_way_of_installing() -> None:
    """In a checkout, README puts it on PATH; without one, deployment.md does."""
    documents = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]
    for path in documents:
        assert ".venv/bin/runner" not in path.read_text(), path
    assert 'export PATH="$PWD/.venv/bin:$PATH"' in documents[0].read_text()
    assert "export PATH=/opt/runner/bin:$PATH" in DEPLOYMENT


def test_what_a_document_prints_of_a_new_key_is_what_the_command_prints() -> None:
    (line,) = re.findall(r"\n    (.*`runner serve` with this.*)\n", (DOCS / "api.md").read_text())
    assert f'"{line}"' in (ROOT / "runner" / "cli" / "keys.py").read_text()


def git(folder: Path, *words: str) -> str:
    """Standard output of git; the test is skipped where there is none, or no checkout."""
    if not shutil.which("git") or not (ROOT / ".git").exists():
        pytest.skip("this is not a git checkout: .gitignore is NOT checked")
    done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout


def test_git_takes_no_bill_and_no_log_into_a_project(tmp_path: Path) -> None:
    """An export of every form, beside the project as README has it, or in `exports`."""
    rows = re.findall(r"(?m)^\| (`\..*?) \|", (DOCS / "exports.md").read_text())
    endings = {*re.findall(r"`(\.[a-z.]+)`", " ".join(rows))} - {".gz"}
    assert {".parquet", ".ndjson", ".jsonl", ".json", ".csv", ".csv.gz"} <= endings
    endings |= {f"{one}.gz" for one in (".ndjson", ".jsonl", ".json")}
    shutil.copy(ROOT / ".gitignore", tmp_path)
    (tmp_path / "exports").mkdir()
    bills = [f"{folder}my_export{one}" for folder in ("", "exports/") for one in endings]
    kept = [".gitignore", ".runner.json", "dbt_project.yml", "dbt_project/seeds/budgets.csv"]
    kept += ["tests/dbt/unit/fixtures/rows.csv"]
    bills += [f"warehouse{one}/control.db" for one in ("", ".old")]
    for name in (*bills, "logs/runner.jsonl", "profiles.yml", *kept):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "--all")
    assert git(tmp_path, "ls-files").split() == sorted(kept)
    assert git(ROOT, "ls-files", "--cached", "--ignored", "--exclude-standard") == ""


def test_the_user_of_cron_and_systemd_is_made_with_its_folder_and_its_variables() -> None:
    (made,) = re.findall(r"\n\n((?: {4}.*\n)*    useradd (?:.*\n)(?: {4}.*\n)*)", DEPLOYMENT)
    (user,) = re.findall(r"useradd .* (\w+)\n", made)
    (folder,) = re.findall(rf"install -d -o {user} -g {user} -m 700 (\S+)\n", made)
    (variables,) = re.findall(rf"install -o root -g {user} -m 640 /dev/null (\S+) ", made)
    (venv,) = re.findall(r"-m venv (\S+) ", made)
    assert f"export PATH={venv}/bin:$PATH; set -a; . {variables}; set +a; cd {folder}'" in made
    assert f"su - {user} -c 'runner init .'" in made
    cron = (DOCS.parent / "examples" / "runner.cron").read_text()
    assert f"\nPATH={venv}/bin:" in cron
    lines = [line.split(None, 6)[5:] for line in cron.splitlines() if re.match(r"\d", line)]
    for of, command in lines:
        assert of == user and command.startswith(f"cd {folder} && set -a && . {variables} && ")
    assert len(lines) == 2
    (line,) = re.findall(r"\n    0 6 \* \* \*  (.*)", (ROOT / "README.md").read_text())
    assert line.startswith(f"cd {folder} && set -a && . {variables} && ")
    unit = (DOCS.parent / "examples" / "runner-catch-up.service").read_text()
    for line in (f"User={user}", f"WorkingDirectory={folder}", f"EnvironmentFile=-{variables}"):
        assert f"\n{line}\n" in unit
    assert f"\nExecStart={venv}/bin/runner " in unit


def test_the_lines_with_wrong_values_are_found_as_exports_md_has_it(tmp_path: Path) -> None:
    text = (DOCS / "exports.md").read_text()
    (command,) = re.findall(r'^ +python3 (-c "import duckdb.*?")$', text, re.M | re.S)
    (tmp_path / "bill.csv").write_text("sku,cost\na,1.5\nb,n.a.\nc,2\nd,-\n")
    done = subprocess.run(
        [sys.executable, *shlex.split(command)], cwd=tmp_path, capture_output=True, text=True
    )
    found = re.findall(r"\b(\d+) │ (\S+)", done.stdout)
    assert found == [("3", "n.a."), ("5", "-")], done


LINK = re.compile(r"\]\((?!https?:)([^)\s#]*)(?:#([^)\s]*))?\)")
# What a project without a checkout has is what `runner init` copies.
SHIPPED = {str(ROOT / path) for path in project._shipped()}


def anchors(text: str) -> set[str]:
    """The names of a document's headings, as GitHub makes them."""
    titles = re.findall(r"(?m)^#+ +(.+)$", text)
    return {re.sub(r"[^\w\- ]", "", title).lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize(
    "document",
    ["README.md", "DECISIONS.md", "CHANGELOG.md", *sorted(p for p in SHIPPED if p.endswith(".md"))],
    ids=lambda path: Path(path).name,
)
def test_every_link_of_a_document_leads_to_something(document: str) -> None:
    """In a project that `runner init` made, too, for the documents that it has."""
    path = ROOT / document
    for name, anchor in LINK.findall(path.read_text()):
        there = (path.parent / name).resolve() if name else path
        assert there.exists(), name
        assert document not in SHIPPED or str(there) in SHIPPED | {str(ROOT)}, f"{name}: no copy"
        assert not anchor or anchor in anchors(there.read_text()), f"{name}#{anchor}"
