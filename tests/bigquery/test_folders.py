"""Folders of a project, by BigQuery's side of the macros: as the unit test has them of DuckDB's."""

import jinja2
import pytest
from google.cloud import bigquery
from support import ROOT

TOP, OUTER, INNER = ("organizations/1", "acme.example"), ("folders/2", "shop"), ("folders/3", None)


def bigquery_side(name: str, *arguments: str) -> str:
    """What the macro of macros/engine gives on BigQuery."""
    text = (ROOT / "macros" / "engine" / f"{name}.sql").read_text(encoding="utf-8")
    module = jinja2.Environment().from_string(text).module
    return str(getattr(module, f"bigquery__{name}")(*arguments))


@pytest.mark.parametrize(
    ("ancestors", "path", "folder"),
    [
        ([INNER, OUTER, TOP], "acme.example / shop / folders/3", "folders/3"),
        ([TOP, OUTER, INNER], "acme.example / shop / folders/3", "folders/3"),
        ([("projects/9", "web"), OUTER, TOP], "acme.example / shop", "folders/2"),
        ([TOP], "acme.example", None),
        ([], None, None),
    ],
)
def test_a_path_goes_from_the_organisation_down(
    client: bigquery.Client, ancestors: list[tuple[str, str | None]], path: str, folder: str
) -> None:
    items = ", ".join(
        f"('{name}', {repr(display) if display else 'null'})" for name, display in ancestors
    )
    array = f"array<struct<resource_name string, display_name string>>[{items}]"
    names = bigquery_side("folder_path", "ancestors", "display_name")
    ids = bigquery_side("folder_path", "ancestors", "resource_name")
    (row,) = client.query_and_wait(
        f"select path, {bigquery_side('last_folder', 'ids')} as folder from ("
        f"select {names} as path, {ids} as ids from (select {array} as ancestors))"
    )
    assert (row.path, row.folder) == (path, folder)
