"""The SQL that README and docs/questions.md show, with the answers that they print."""

import re
from dataclasses import dataclass

import yaml
from jinja2 import Template
from support import ROOT

_SHOWN = re.compile(r"```sql\n([^`]*)```\n\n((?:    .*\n)+)")


@dataclass(frozen=True)
class Question:
    """A query on the sample, and the table that the document prints below it."""

    heading: str
    sql: str
    answer: str


def questions() -> list[Question]:
    """Every query of docs/questions.md, in order; one that is printed without an answer fails."""
    text = (ROOT / "dbt_project" / "docs" / "questions.md").read_text(encoding="utf-8")
    found = []
    for section in text.split("\n## ")[1:]:
        heading = section.partition("\n")[0]
        shown = _SHOWN.findall(section)
        assert shown and len(shown) == section.count("```sql"), f"{heading}: SQL without an answer"
        for sql, answer in shown:
            lines = [line.removeprefix("    ") for line in answer.splitlines()]
            found.append(Question(heading, sql, "\n".join(lines)))
    return found


def readme_queries() -> list[str]:
    """The queries with which README begins."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(r"\n\n((?:    .*\n)+)", text[text.index("Three questions") :])
    assert block
    return [query for query in block.group(1).split(";") if query.strip()]


def bigquery_columns() -> dict[str, list[dict[str, str]]]:
    """The columns of silver, every mart and seed as BigQuery's schema has them, without nested
    ones."""
    found: dict[str, list[dict[str, str]]] = {}
    folders = (ROOT / "models" / "silver", ROOT / "models" / "marts")
    for path in sorted(path for folder in folders for path in folder.rglob("*.yml")):
        for model in yaml.safe_load(path.read_text(encoding="utf-8")).get("models", ()):
            types = {
                one["name"]: Template(one["data_type"]).render(target={"type": "bigquery"})
                for one in model["columns"]
            }
            found[model["name"]] = [
                {"name": name, "type": {"bigint": "INT64"}.get(of, of).upper()}
                for name, of in types.items()
                if "<" not in of
            ]
    return found
