"""What a worker spares dbt changes nothing that dbt says or does."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from dbt.events.types import NodeStart
from dbt_common.clients import jinja
from dbt_common.clients.jinja import MacroFuzzEnvironment, get_environment
from dbt_common.events import event_manager_client
from dbt_common.events.base_types import EventLevel
from dbt_common.events.functions import fire_event
from dbt_common.events.logger import LoggerConfig
from dbt_common.events.types import Note, SystemExecutingCmd
from jinja2 import TemplateSyntaxError

from runner import less_work

HELLO = "{% macro hello(name) %}Hello {{ name }}{% endmacro %}{{ 1 + 1 }}"


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test leaves dbt as it was."""
    monkeypatch.setattr(MacroFuzzEnvironment, "compile", less_work._compile_anew)
    before = event_manager_client.get_event_manager()
    yield
    event_manager_client.ctx_set_event_manager(before)


def rendered(text: str, native: bool = False) -> object:
    return get_environment(None, native=native).from_string(text).render({})


def kept(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.cache"))


def test_a_template_is_compiled_once_for_all_processes(tmp_path: Path, monkeypatch) -> None:
    less_work.keep_compiled_templates(tmp_path / "templates")
    assert rendered(HELLO) == "2"
    assert len(kept(tmp_path / "templates")) == 1

    def never(*args: object) -> None:
        raise AssertionError("compiled again")

    monkeypatch.setattr(less_work, "_compile_anew", never)
    assert rendered(HELLO) == "2"
    with pytest.raises(AssertionError, match="compiled again"):
        rendered(HELLO.replace("1 + 1", "1 + 2"))


def test_the_kinds_of_environment_keep_their_own_code(tmp_path: Path) -> None:
    less_work.keep_compiled_templates(tmp_path)
    for _ in range(2):
        rendered(HELLO)
        rendered(HELLO, native=True)
    assert len(kept(tmp_path)) == 2


def test_what_was_kept_and_is_broken_is_made_anew(tmp_path: Path) -> None:
    less_work.keep_compiled_templates(tmp_path)
    rendered(HELLO)
    (whole,) = kept(tmp_path)
    code = whole.read_bytes()
    for broken in (b"something else", *(code[:length] for length in range(len(code)))):
        whole.write_bytes(broken)
        assert rendered(HELLO) == "2"
    assert whole.read_bytes() == code


def test_a_folder_that_cannot_be_had_costs_only_time(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    less_work.keep_compiled_templates(tmp_path / "file" / "templates")
    assert rendered(HELLO) == "2"


def test_only_the_owner_may_put_code_there(tmp_path: Path) -> None:
    less_work.keep_compiled_templates(tmp_path / "templates")
    assert (tmp_path / "templates").stat().st_mode & 0o077 == 0
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o775)
    MacroFuzzEnvironment.compile = less_work._compile_anew
    less_work.keep_compiled_templates(tmp_path / "shared")
    assert rendered(HELLO) == "2" and not kept(tmp_path / "shared")


def test_text_that_is_no_template_is_not_kept(tmp_path: Path) -> None:
    """dbt renders each value of a profile: a password is one."""
    less_work.keep_compiled_templates(tmp_path)
    assert rendered("a password") == "a password"
    assert rendered("{{ 'a' }} { b }") == "a { b }" and len(kept(tmp_path)) == 1


def test_who_debugs_macros_gets_them_compiled_as_dbt_does(tmp_path: Path, monkeypatch) -> None:
    less_work.keep_compiled_templates(tmp_path)
    monkeypatch.setattr(jinja, "MACRO_DEBUGGING", True)
    assert rendered(HELLO) == "2" and not kept(tmp_path)


def test_a_mistake_in_a_template_is_told_as_before(tmp_path: Path) -> None:
    less_work.keep_compiled_templates(tmp_path)
    with pytest.raises(TemplateSyntaxError):
        rendered("{% if %}")
    assert not kept(tmp_path)


def heard(*loggers: LoggerConfig) -> list[str]:
    """What a callback gets of four events, with these logs."""
    less_work.drop_what_nobody_hears("NodeStart")
    manager = event_manager_client.get_event_manager()
    got: list[str] = []
    manager.add_callback(lambda message: got.append(message.info.name))
    for logger in loggers:
        manager.add_logger(logger)
    fire_event(NodeStart())
    fire_event(SystemExecutingCmd(cmd=["of no interest"]))
    fire_event(Note(msg="for people"), level=EventLevel.INFO)
    fire_event(Note(msg="for nobody"), level=EventLevel.DEBUG)
    return got


def test_debug_events_that_nobody_hears_are_dropped_and_no_others() -> None:
    assert heard() == ["NodeStart", "Note"]


def test_a_log_of_debug_events_gets_them_all(tmp_path: Path) -> None:
    level = {"output_file_name": str(tmp_path / "dbt.log"), "name": "test"}
    assert heard(LoggerConfig(level=EventLevel.INFO, **level)) == ["NodeStart", "Note"]
    assert heard(LoggerConfig(level=EventLevel.DEBUG, **level)) == [
        *("NodeStart", "SystemExecutingCmd", "Note", "Note")
    ]
    assert "for nobody" in (tmp_path / "dbt.log").read_text()
