"""Every SQL constant of the runner, wherever its owner keeps it."""

import importlib
import pkgutil

import runner


def every() -> dict[str, str]:
    """The constants by name. Two owners never give one name to two statements."""
    found: dict[str, str] = {}
    for module in pkgutil.walk_packages(runner.__path__, "runner."):
        if module.name != "runner.sql" and not module.name.endswith("_sql"):
            continue
        for name, text in vars(importlib.import_module(module.name)).items():
            if name.isupper() and isinstance(text, str):
                assert found.setdefault(name, text) == text, name
    return found
