"""What is installed is what is needed, pinned, licensed, and named by names that there are."""

import ast
import hashlib
import re
import subprocess
import sys
import tomllib
from importlib import metadata

import pytest
from packaging.licenses import canonicalize_license_expression
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from support import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# Of the text that the Apache Software Foundation publishes, without its spaces.
APACHE_2 = "ddacef491153f45022f5619519bb2016374a8c36e75153768493f45fb38d7992"


def pinned(name: str) -> set[str]:
    """The packages that a file of requirements pins."""
    lines = (ROOT / name).read_text().splitlines()
    return {canonicalize_name(line.partition("==")[0]) for line in lines if "==" in line}


def with_what_they_need(names: set[str]) -> set[str]:
    """Packages and all that they have pip install."""
    found, ahead = set(), set(names)
    while ahead:
        name = ahead.pop()
        found.add(name)
        for line in metadata.requires(name) or ():
            needed = Requirement(line)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                ahead |= {canonicalize_name(needed.name)} - found
    return found


def imported() -> set[str]:
    """The modules that the runner imports and that are not Python's own."""
    found = set()
    for path in (ROOT / "runner").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {name.name.partition(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.partition(".")[0])
    return found - sys.stdlib_module_names - {"runner"}


def test_what_the_runner_imports_is_installed_by_make_run_and_pinned() -> None:
    """Of the service, too: `runner serve` works after `make run`."""
    listed = pinned("requirements.txt")
    installed = with_what_they_need(listed)
    owners = metadata.packages_distributions()
    assert {"fastapi", "uvicorn", "prometheus_client", "duckdb", "dbt"} <= imported()
    for module in imported():
        names = {canonicalize_name(name) for name in owners[module]}
        assert names & installed, f"requirements.txt does not install {module}"
        assert names & (listed | pinned("constraints.txt")), f"{module} is not pinned"


def test_what_is_installed_without_pins_is_what_is_pinned() -> None:
    asked = {canonicalize_name(Requirement(line).name) for line in PROJECT["dependencies"]}
    assert asked == pinned("requirements.txt") - {"pytest"}
    assert "optional-dependencies" not in PROJECT
    assert not pinned("requirements.txt") & pinned("requirements-dev.txt"), "pinned once"


def test_the_license_is_the_complete_apache_2_0() -> None:
    text = "".join((ROOT / "LICENSE").read_text().split())
    assert hashlib.sha256(text.encode()).hexdigest() == APACHE_2
    assert PROJECT["license"] == canonicalize_license_expression("Apache-2.0")
    assert PROJECT["license-files"] == ["LICENSE"]


def test_the_metadata_is_complete() -> None:
    for name in ("name", "version", "description", "readme", "requires-python", "authors"):
        assert PROJECT[name], name
    assert PROJECT["maintainers"] and PROJECT["keywords"] and PROJECT["classifiers"]
    assert (ROOT / PROJECT["readme"]).is_file()
    # A classifier beside the expression is an error to setuptools.
    assert not [one for one in PROJECT["classifiers"] if one.startswith("License")]


def texts() -> list[tuple[str, str]]:
    """Every file that git keeps, as text."""
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    ).stdout.split("\0")
    if not any(names):
        pytest.skip("this is no git checkout: the texts are NOT checked")
    paths = [ROOT / name for name in names if name and not name.endswith("test_packaging.py")]
    return [
        (str(path), path.read_text(errors="replace"))
        for path in paths
        if path.is_file() and not path.is_symlink()
    ]


def test_no_text_has_our_own_name_fetched_from_a_package_index() -> None:
    """It is in none: whoever took the name there would be installed in its place."""
    name = re.escape(PROJECT["name"]).replace("\\-", "[-_.]")
    fetched = re.compile(rf"\b(pip|pipx|uv|uvx|poetry|conda|easy_install)\b.*\b{name}\b", re.I)
    assert fetched.search("pip install 'gcp-tenant-cost[api]'")
    for path, text in texts():
        assert not fetched.search(text), path
        assert f"{PROJECT['name']}[" not in text, path


def test_no_text_makes_a_key_with_a_program_that_may_be_missing() -> None:
    made = re.compile(r"\bopenssl\b|\bsha256sum\b|\buuidgen\b|/dev/u?random")
    for path, text in texts():
        assert path.endswith(".sh") or not made.search(text), path


def test_every_package_is_in_what_is_installed() -> None:
    """Setuptools finds packages by their __init__.py: one without it would be left out."""
    modules = {path.parent for path in (ROOT / "runner").rglob("*.py")}
    assert [folder for folder in modules if not (folder / "__init__.py").exists()] == []
