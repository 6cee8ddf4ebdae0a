"""What dbt-core does over and over with the same outcome, and is spared in a worker.

Two habits cost a run a fifth of its time: templates are compiled to Python anew in each process,
and a message is made of each debug event though no log takes it. Nothing else changes, and where
a version of dbt has not what is replaced here, the import fails aloud in the tests.
"""

import contextlib
import hashlib
import os
import pickle
import re
from pathlib import Path
from typing import Any

import dbt_common.__about__
import jinja2
from dbt_common.clients import jinja
from dbt_common.clients.jinja import MacroFuzzEnvironment
from dbt_common.events.base_types import BaseEvent, EventLevel
from dbt_common.events.event_manager import EventManager
from dbt_common.events.event_manager_client import ctx_set_event_manager
from jinja2.bccache import Bucket, FileSystemBytecodeCache

_compile_anew = MacroFuzzEnvironment.compile
_JINJA = re.compile(r"\{[{%#]")
_VERSIONS = f"{jinja2.__version__} {dbt_common.__about__.version}"


# What Jinja's own reading of a file that is cut off or none of its own raises.
_UNREADABLE = (OSError, EOFError, ValueError, TypeError, pickle.UnpicklingError)


def keep_compiled_templates(folder: Path) -> None:
    """Keep compiled templates in the folder, for all processes, with Jinja's own cache.

    Found again by their text, so a changed macro is another one. Text without Jinja is not kept:
    a profile's secrets are such text. Nothing is kept in a folder that others may write, for what
    lies in it is run; one that cannot be written or read costs the time that is saved else.
    """
    with contextlib.suppress(OSError):
        folder.mkdir(0o700, parents=True, exist_ok=True)
    if not _is_ours_alone(folder):
        return
    cache = FileSystemBytecodeCache(str(folder))

    def compile_once(self: Any, source: Any, *rest: Any, **named: Any) -> Any:
        is_plain = not isinstance(source, str) or not _JINJA.search(source)
        if rest or named or is_plain or jinja.MACRO_DEBUGGING:
            return _compile_anew(self, source, *rest, **named)
        # dbt has several kinds of environment, which make different code of one text.
        text = f"{_VERSIONS} {type(self).__qualname__} {sorted(self.extensions)}\n{source}"
        key = hashlib.sha256(text.encode()).hexdigest()
        bucket = Bucket(self, key, checksum=key)
        with contextlib.suppress(*_UNREADABLE):
            cache.load_bytecode(bucket)
        if bucket.code is None:
            bucket.code = _compile_anew(self, source)
            with contextlib.suppress(OSError):
                cache.dump_bytecode(bucket)
        return bucket.code

    MacroFuzzEnvironment.compile = compile_once  # type: ignore[method-assign]


def _is_ours_alone(folder: Path) -> bool:
    try:
        found = folder.stat()
    except OSError:
        return False
    return found.st_uid == os.getuid() and not found.st_mode & 0o022


class _Listeners(EventManager):
    """dbt's own, but a debug event that nobody takes ends here."""

    def __init__(self, heard: frozenset[str]) -> None:
        super().__init__()
        self._heard = heard

    def fire_event(
        self, e: BaseEvent, level: EventLevel | None = None, *rest: Any, **named: Any
    ) -> None:
        if (
            (level or e.level_tag()) != EventLevel.DEBUG
            or type(e).__name__ in self._heard
            or any(logger.level == EventLevel.DEBUG for logger in self.loggers)
        ):
            super().fire_event(e, level, *rest, **named)


def drop_what_nobody_hears(*heard: str) -> None:
    """Make a message of no debug event but those named, unless a log of that level is written."""
    ctx_set_event_manager(_Listeners(frozenset(heard)))
