"""What dbt makes of a text is made once: of a macro, a model, a description.

More than half of a parse is Jinja's work on texts that are the same for each tenant, and in each
process that is forked. dbt can keep trees of them, for its own tests; here Jinja's code is kept,
too.
"""

from types import CodeType
from typing import Any

import jinja2


def keep() -> None:
    """From now on in this process, and in what is forked from it."""
    from dbt_common.tests import enable_test_caching

    enable_test_caching()
    compiled, kept = jinja2.Environment.compile, dict[Any, Any]()

    def compile_once(self: jinja2.Environment, source: Any, *options: Any, **more: Any) -> Any:
        # A tree is no text, and what is not a plain call of dbt's is not worth a key.
        if type(source) is not str or options or set(more) - {"name", "filename"}:
            return compiled(self, source, *options, **more)
        key = (type(self), *self.extensions, source, *more.items())
        if key not in kept:
            kept[key] = compiled(self, source, **more)
        found: CodeType = kept[key]
        return found

    jinja2.Environment.compile = compile_once  # type: ignore[method-assign]
