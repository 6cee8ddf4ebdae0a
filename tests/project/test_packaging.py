"""What is installed is what is needed, pinned, licensed, and named by names that there are."""

import ast
import hashlib
import re
import subprocess
import sys
import tomllib
from importlib import metadata

import pytest
import yaml
from packaging.licenses import canonicalize_license_expression
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from support import ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT, GROUPS = PYPROJECT["project"], PYPROJECT["dependency-groups"]
FILES = ("requirements.txt", "requirements-build.txt", "requirements-dev.txt")
# Of the text that the Apache Software Foundation publishes, without its spaces.
APACHE_2 = "ddacef491153f45022f5619519bb2016374a8c36e75153768493f45fb38d7992"


def pins(name: str) -> list[Requirement]:
    """What a file pins for this Python, each with a hash, or the test fails."""
    entries = (ROOT / name).read_text().replace("\\\n", " ").splitlines()
    found = []
    for entry in (entry for entry in entries if not entry.lstrip().startswith("#")):
        requirement, *hashes = entry.split(" --hash=sha256:")
        assert hashes and all(re.fullmatch("[0-9a-f]{64}", one.strip()) for one in hashes), entry
        found.append(Requirement(requirement))
        assert re.fullmatch(r"==[^*,]+", str(found[-1].specifier)), entry
    return [one for one in found if applies(one)]


def pinned(name: str) -> set[str]:
    """The packages that a file of requirements pins."""
    return {canonicalize_name(one.name) for one in pins(name)}


def applies(one: Requirement, extra: str = "") -> bool:
    return one.marker is None or one.marker.evaluate({"extra": extra})


def asked(name: str) -> list[Requirement]:
    """What pyproject.toml asks for, of which `make pins` made the file."""
    group = name.removesuffix(".txt").partition("-")[2]
    return [*map(Requirement, GROUPS[group] if group else PROJECT["dependencies"])]


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
    listed = {canonicalize_name(one.name) for one in asked("requirements.txt")}
    installed = with_what_they_need(listed)
    owners = metadata.packages_distributions()
    assert {"fastapi", "uvicorn", "prometheus_client", "duckdb", "dbt"} <= imported()
    for module in imported():
        names = {canonicalize_name(name) for name in owners[module]}
        assert names & installed, f"requirements.txt does not install {module}"
        assert names & pinned("requirements.txt"), f"{module} is not pinned"


@pytest.mark.parametrize("name", (*FILES, "requirements-lint.txt"))
def test_the_pins_are_what_pyproject_asks_for(name: str) -> None:
    """`make pins` would leave them: nothing is missing, and no version is refused."""
    versions = {
        canonicalize_name(one.name): next(iter(one.specifier)).version for one in pins(name)
    }
    for one in asked(name):
        assert one.specifier.contains(versions[canonicalize_name(one.name)]), f"make pins: {one}"


@pytest.mark.parametrize("name", FILES)
def test_the_pins_are_all_that_is_needed_and_nothing_else(name: str) -> None:
    """From the metadata of what is installed, which is what is pinned: no index is asked."""
    versions = {
        canonicalize_name(one.name): next(iter(one.specifier)).version for one in pins(name)
    }
    ahead, needed = [(one, "") for one in asked(name)], set()
    while ahead:
        one, extra = ahead.pop()
        package = canonicalize_name(one.name)
        if not applies(one, extra) or (package, *sorted(one.extras)) in needed:
            continue
        needed.add((package, *sorted(one.extras)))
        assert package in versions, f"{name} lacks {package}: make pins"
        assert one.specifier.contains(versions[package], prereleases=True), f"make pins: {one}"
        assert metadata.version(package) == versions[package], "what is installed is not pinned"
        for line in metadata.requires(package) or ():
            ahead += [(Requirement(line), extra) for extra in ("", *one.extras)]
    assert {package for package, *_ in needed} == set(versions), f"{name} has more: make pins"


def test_the_files_of_pins_agree() -> None:
    """They are installed into one environment."""
    found: dict[str, set[str]] = {}
    for one in (one for name in FILES for one in pins(name)):
        found.setdefault(canonicalize_name(one.name), set()).add(str(one.specifier))
    assert {name: pins for name, pins in found.items() if len(pins) > 1} == {}


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
    # A classifier beside the expression is an error to who builds.
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


def test_every_folder_that_dbt_reads_is_in_the_wheel() -> None:
    """Whatever dbt_project.yml names, and the files beside it that the runner reads."""
    wheel = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    shipped = {**wheel["sources"], **wheel["force-include"]}
    project = yaml.safe_load((ROOT / "dbt_project.yml").read_text())
    paths = {path for key, names in project.items() if key.endswith("-paths") for path in names}
    assert len(paths) >= 7
    for path in (*paths, "dbt_project.yml", "selectors.yml", "profiles.yml.example"):
        assert any((ROOT / path).is_relative_to(ROOT / name) for name in shipped), path
    assert shipped == {name: f"runner/project/{name}" for name in shipped}
    assert {*wheel["only-include"]} == {"runner", *wheel["sources"]}


def test_the_image_is_built_from_all_that_the_wheel_has() -> None:
    """Each file or folder is copied, and .dockerignore lets it through."""
    wheel = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {"pyproject.toml", "runner", PROJECT["readme"], *PROJECT["license-files"]}
    needed |= {*wheel["only-include"], *wheel["force-include"]}
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    copied = {word for line in lines if line.startswith("COPY ") for word in line.split()[1:-1]}
    let_through = {line.lstrip("!") for line in (ROOT / ".dockerignore").read_text().splitlines()}
    assert needed - copied == set() and needed - let_through == set()
