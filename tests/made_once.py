"""What dbt makes anew in each job, and for each node, though it is the same: made once.

A job of few models is mostly such work: the selectors are resolved by copies of copies, all macros
are wrapped for each node, and each line of a log is written out before its level is asked for.
dbt does the same as without this, and dbt 1.12 itself makes the macros only when they are called.
"""

from collections.abc import Iterable
from typing import Any


def keep() -> None:
    """From now on in this process, and in what is forked from it."""
    _selectors()
    _macros()
    _contexts()
    _lines_of_logs()
    _types_of_tables()


def _selectors() -> None:
    """What a file of selectors means depends on its content and one flag."""
    from dbt.config import project
    from dbt.flags import get_flags

    make, made = project.selector_config_from_data, dict[Any, Any]()

    def made_once(data: Any) -> Any:
        key = repr(data), str(get_flags().INDIRECT_SELECTION)
        if key not in made:
            made[key] = make(data)
        return made[key]

    project.selector_config_from_data = made_once


def _macros() -> None:
    """A context's macros, wrapped at less cost: some hundred for each node."""
    from dbt.clients.jinja import MacroGenerator
    from dbt.context import macros

    if not hasattr(macros.MacroNamespaceBuilder, "add_macros"):
        return  # dbt 1.12 wraps a macro when it is called

    class Namespace(dict[str, Any]):
        """By a name alone, as MacroNamespace finds it; also its parts, by which dbt asks."""

        get_from_package = macros.MacroNamespace.get_from_package

    def build_namespace(self: Any, macros_by_package: Any, ctx: dict[str, Any]) -> Namespace:
        given = {"context": ctx, "node": self.node, "stack": self.thread_ctx}
        of_package: dict[str, dict[str, Any]] = {}
        for package, found in macros_by_package.items():
            named = of_package[package] = {}
            for name, macro in found.items():
                named[name] = one = MacroGenerator.__new__(MacroGenerator)
                one.__dict__ = {"macro": macro, **given}
        of_dbt: dict[str, Any] = {}
        for package in reversed(self.internal_package_names_order):
            of_dbt.update(of_package.pop(package, {}))
        of_root, of_node = (
            of_package.get(package, {}) for package in (self.root_package, self.search_package)
        )
        made = Namespace({**of_dbt, "dbt": of_dbt, **of_package, **of_root, **of_node})
        made.packages, made.global_project_namespace = of_package, of_dbt  # type: ignore[attr-defined]
        return made

    macros.MacroNamespaceBuilder.build_namespace = build_namespace


def _contexts() -> None:
    """A macro sees its context and Jinja's few globals: one dictionary, not two in a chain.

    A macro of a context is the same in each call.
    """
    from dbt_common.clients import jinja

    chain, make = jinja.MacroFuzzTemplate.new_context, jinja.BaseMacroGenerator.get_macro

    def new_context(self: Any, vars: Any = None, *more: Any, **named: Any) -> Any:
        if type(vars) is not dict or any(more) or any(named.values()):
            return chain(self, vars, *more, **named)
        if "lipsum" not in vars:
            for name, value in self.globals.items():
                vars.setdefault(name, value)
        return self.environment.context_class(self.environment, vars, self.name, self.blocks)

    def get_macro(self: Any) -> Any:
        if "made_once" not in self.__dict__:
            self.made_once = make(self)
        return self.made_once

    jinja.MacroFuzzTemplate.new_context = new_context
    jinja.BaseMacroGenerator.get_macro = get_macro


def _lines_of_logs() -> None:
    """A line that its log leaves out for its level is not made."""
    from dbt_common.events import logger

    write = logger._Logger.write_line

    def write_line(self: Any, message: Any) -> None:
        log = self._python_logger
        level = logger._log_level_map[message.info.level]
        if log is None or logger._is_print_event(message) or log.isEnabledFor(level):
            write(self, message)

    logger._Logger.write_line = write_line


def _types_of_tables() -> None:
    """How columns of texts differ from others: dbt reads the names of months for it each time."""
    from dbt_common.clients import agate_helper

    make, made = agate_helper.build_type_tester, dict[Any, Any]()

    def made_once(text_columns: Iterable[str], string_null_values: Any = ("null", "")) -> Any:
        key = tuple(sorted(text_columns)), tuple(string_null_values)
        if key not in made:
            made[key] = make(*key)
        return made[key]

    agate_helper.build_type_tester = made_once
