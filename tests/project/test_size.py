"""The runner stays thin: few lines in all, short files, functions with few parameters."""

import ast
from collections.abc import Iterator

import pytest
from support import ROOT

# All lines of runner/**/*.py. It may only fall.
LINES = 15067
LINES_OF_A_FILE = 250
PARAMETERS = 6

SOURCES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "runner").rglob("*.py"))
}


def is_command(function: ast.AST) -> bool:
    """Whether Click calls it, with a parameter for each of its options."""
    assert isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
    decorators = " ".join(ast.unparse(one) for one in function.decorator_list)
    return any(mark in decorators for mark in ("command", "click.", "group", "_option"))


def long_signatures(name: str) -> Iterator[str]:
    """The functions of a file with too many parameters; `self` and `cls` are not counted."""
    for function in ast.walk(ast.parse(SOURCES[name])):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            given = function.args
            names = [one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
            names += [one.arg for one in (given.vararg, given.kwarg) if one]
            count = len([one for one in names if one not in ("self", "cls")])
            if count > PARAMETERS and not is_command(function):
                yield f"{name}:{function.name}"


def test_the_runner_has_no_more_lines_than_it_had() -> None:
    assert sum(len(text.splitlines()) for text in SOURCES.values()) <= LINES


@pytest.mark.parametrize("name", SOURCES)
def test_a_file_is_short(name: str) -> None:
    assert len(SOURCES[name].splitlines()) <= LINES_OF_A_FILE


@pytest.mark.parametrize("name", SOURCES)
def test_functions_take_few_parameters(name: str) -> None:
    assert list(long_signatures(name)) == []
