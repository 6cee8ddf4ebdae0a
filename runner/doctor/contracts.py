"""The tables and columns of the contracts in models/ that a warehouse lacks."""

from collections.abc import Mapping, Set
from functools import cache
from pathlib import Path


def lacking(
    project_dir: Path, found: Mapping[str, Set[str]], *folders: str, besides: Set[str] = frozenset()
) -> str:
    """A text of what the contracts in these folders declare and `found` lacks; empty if nothing."""
    lacks = []
    for folder in folders:
        for table, columns in _contracts(project_dir / "models" / folder).items():
            if table in besides:
                continue
            if table not in found:
                lacks.append(f"{table} is missing")
            elif missing := columns - found[table]:
                lacks.append(f"{table} lacks {', '.join(sorted(missing))}")
    return "; ".join(lacks)


@cache
def _contracts(folder: Path) -> dict[str, set[str]]:
    """The declared columns of each model of a folder."""
    import yaml

    return {
        model["name"]: {column["name"].lower() for column in model.get("columns", [])}
        for path in sorted(folder.glob("*.yml"))
        for model in yaml.safe_load(path.read_text(encoding="utf-8")).get("models", [])
    }
