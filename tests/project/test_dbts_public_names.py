"""Nothing that we call dbt by is private to it, so that its next version may change what is."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import ROOT

# dbtRunner is dbt's documented way in. The adapter's module is imported before the first job and
# asked, by names without underscore, to close its file: no option or command of dbt does.
DBT_MODULES = {"dbt.cli.main", "dbt.adapters.{}", "dbt.adapters.duckdb.connections"}
FROM_DBT = {("dbt.cli.main", "dbtRunner")}
# Python's own, that its documentation names.
PYTHONS = {"os._exit"}
IN_TEMPLATES = re.compile(r"""\._[a-zA-Z]|\[\s*['"]_[a-zA-Z]|attr\(\s*['"]_|getattr\(""")
TEMPLATES = sorted(
    path for folder in ("macros", "models", "tests/dbt") for path in (ROOT / folder).rglob("*.sql")
)


def problems(source: str) -> Iterator[str]:
    """What of some Python is private to what it imports, or not on the lists above."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if re.match(r"dbt\b|dbt_", name.name))
        elif isinstance(node, ast.ImportFrom) and re.match(r"dbt\b|dbt_", node.module or ""):
            names = {(node.module, name.name) for name in node.names}
            yield from (f"{module}: {name}" for module, name in names - FROM_DBT)
        elif isinstance(node, ast.Attribute) and re.match(r"_[a-zA-Z]", node.attr):
            name = ast.unparse(node)
            if name not in PYTHONS and not re.match(r"(self|cls)\._\w+$", name):
                yield name
        elif isinstance(node, ast.JoinedStr):
            text = "".join(
                part.value if isinstance(part, ast.Constant) else "{}" for part in node.values
            )
            if re.match(r"dbt(_\w+)?\.\S*$", text) and text not in DBT_MODULES:
                yield text
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and re.match(r"dbt(_\w+)?\.\w+(\.\w+)+(?<!\.log)$", node.value)
            and node.value not in DBT_MODULES
        ):
            yield node.value
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("getattr", "setattr"):
            name = ast.unparse(node.args[1])
            if re.match(r"['\"]_[a-zA-Z]", name):
                yield name


@pytest.mark.parametrize(
    "line",
    [
        "import dbt.adapters.factory",
        "import dbt_common.events",
        "from dbt.cli.main import cli",
        "from dbt.flags import get_flags",
        "result._node",
        "connections._ENV.close()",
        "getattr(adapter, '_ENV')",
        "import_module('dbt.adapters.factory')",
        "import_module(f'dbt.task.{name}')",
    ],
)
def test_a_private_name_is_found(line: str) -> None:
    assert list(problems(line))


@pytest.mark.parametrize(
    "path", sorted((ROOT / "runner").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT))
)
def test_the_runner_calls_dbt_by_public_names(path: Path) -> None:
    assert list(problems(path.read_text())) == []


def test_templates_use_no_private_name() -> None:
    found = {
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in TEMPLATES
        for line in path.read_text().splitlines()
        if IN_TEMPLATES.search(line)
    }
    assert len(TEMPLATES) > 200
    assert found == set()
    for line in ("{{ adapter._x }}", "{{ model['_pre'] }}", "{{ adapter | attr('_connections') }}"):
        assert IN_TEMPLATES.search(line)
