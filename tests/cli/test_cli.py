"""The command line: help for everything, the exit codes that scripts depend on, kind refusals."""

import json
import logging
import os
import shlex
import smtplib
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import click
import pytest
from control_file import DAY, Control
from questions import readme_queries

from runner.cli import options
from runner.cli.app import cli
from runner.cli.app import main as real_main
from runner.cli.command import as_typed
from runner.context import Stop
from runner.dates import DateRange
from runner.orchestration.estimate import Estimate, ModelEstimate


def commands(group: click.Group, path: tuple[str, ...] = ()) -> list[tuple[str, click.Command]]:
    found: list[tuple[str, click.Command]] = [(" ".join(path) or "runner", group)]
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        assert command
        if isinstance(command, click.Group):
            found += commands(command, (*path, name))
        else:
            found.append((" ".join((*path, name)), command))
    return found


COMMANDS = commands(cli)


@pytest.mark.parametrize(("name", "command"), COMMANDS, ids=[name for name, _ in COMMANDS])
def test_a_command_and_each_of_its_options_has_help(name: str, command: click.Command) -> None:
    assert command.help and command.help.strip().endswith(".")
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name} {parameter.opts[0]}"


@pytest.mark.parametrize(("name", "command"), COMMANDS, ids=[name for name, _ in COMMANDS])
def test_help_is_shown_and_done(runner, name: str, command: click.Command) -> None:
    words = [] if name == "runner" else name.split()
    answer = runner(*words, "--help")
    assert answer.exit_code == 0 and answer.output.startswith("Usage: ")


def test_the_exit_codes_are_documented_in_the_help(runner) -> None:
    message = runner("--help").output
    for words in ("0 done", "1 the run failed", "2 usage", "3 refused", "4 the warehouse"):
        assert words in " ".join(message.split())


@pytest.mark.parametrize(
    "name", ["init", "tenant add", "tenant list", "tenant show", "run", "status", "runs", "quota"]
)
def test_the_promised_commands_are_there(name: str) -> None:
    assert name in {found for found, _ in COMMANDS}


@pytest.mark.parametrize(("name", "command"), COMMANDS, ids=[name for name, _ in COMMANDS])
def test_every_command_takes_the_common_options_once(name: str, command: click.Command) -> None:
    if not isinstance(command, click.Group):
        options = [option for p in command.params for option in p.opts]
        for option in ("--json", "--target", "--project-dir", "--verbose"):
            assert options.count(option) == 1


@pytest.mark.parametrize(
    ("args", "found"),
    [
        (("tenant", "update", "acme", "--daily-limit", "7"), {"id": "acme", "daily_limit": 7}),
        (("tenant", "suspend", "acme"), {"id": "acme", "status": "SUSPENDED", "exports": []}),
        (("tenant", "resume", "acme"), {"id": "acme", "status": "ACTIVE"}),
        (("tenant", "remove", "acme", "--yes"), {"message": "Tenant acme was removed."}),
    ],
    ids=" ".join,
)
def test_a_change_is_a_document_with_what_there_is_now(runner, args, found) -> None:
    answer = runner(*args, "--json")
    assert answer.exit_code == 0, answer.output
    document = json.loads(answer.stdout)
    assert document | found == document


def test_a_cancelled_run_and_a_revoked_key_are_documents(runner, control: Control) -> None:
    run = control.take()
    document = json.loads(runner("cancel", run.id, "--tenant", "acme", "--json").stdout)
    assert (document["pipeline_logging_id"], document["status"]) == (run.id, "CANCELLED")
    key = json.loads(runner("tenant", "key", "create", "--tenant", "acme", "--json").stdout)
    revoked = runner("tenant", "key", "revoke", key["id"], "--tenant", "acme", "--json")
    assert json.loads(revoked.stdout)["message"] == f"Key {key['id']} of acme was revoked."


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("run", "--tenant", ""), ["acme", "globex"]),
        (("run", "--tenant", "g"), ["globex"]),
        (("tenant", "show", "ac"), ["acme"]),
        (("tenant", "show", "zz"), []),
        (("tenant", "sus"), ["suspend"]),
        (("tenant", "add", "x", "--plan", "st"), ["starter"]),
    ],
    ids=" ".join,
)
def test_a_shell_completes_commands_and_tenants(
    runner, words: tuple[str, ...], found: list[str]
) -> None:
    answer = runner(
        _CLI_COMPLETE="bash_complete",
        COMP_WORDS=" ".join(("runner", *words)),
        COMP_CWORD=str(len(words)),
    )
    assert answer.stdout.split() == [f"plain,{one}" for one in found] and answer.stderr == ""


@pytest.mark.parametrize("typed", ["rum ", "tenant shw ", "rum --tenant "])
def test_a_shell_completes_nothing_after_a_mistyped_command(runner, typed: str) -> None:
    words = f"runner {typed}"
    answer = runner(
        _CLI_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=str(len(words.split()))
    )
    assert (answer.exception, answer.exit_code) == (None, 0) and answer.stderr == ""


def test_a_shell_completes_no_tenant_on_bigquery_nor_after_any_error(
    runner, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {"_CLI_COMPLETE": "bash_complete", "COMP_WORDS": "runner run --tenant "}
    asked["COMP_CWORD"] = "3"
    assert "acme" in runner(**asked).stdout

    def broken(*given: object, **named: object) -> None:
        raise ValueError("this error has no sentence")

    monkeypatch.setattr(options, "open_context", broken)
    answer = runner(**asked)
    assert (answer.stdout.strip(), answer.stderr, answer.exit_code) == ("", "", 0)
    opened: list[object] = []
    monkeypatch.setattr(options, "open_context", lambda *given, **named: opened.append(given))
    answer = runner(**asked, DBT_TARGET="bigquery", GCP_PROJECT="acme-billing")
    assert (answer.stdout.strip(), answer.stderr, opened) == ("", "", [])


@pytest.mark.parametrize("sql", [f"{sql.strip()};" for sql in readme_queries()])
def test_a_query_is_pasted_from_the_readme_with_its_comment(
    runner, sql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sql.startswith("-- ")
    asked: list[str] = []

    def query(self: object, sql: str, named: list[str]) -> tuple[list[str], list[tuple[int]]]:
        asked.append(sql)
        return ["cost"], [(1,)]

    monkeypatch.setattr("runner.dataset.duckdb.DuckDBDataset.query", query)
    for words in ((sql,), (sql, "--csv"), ("--csv", sql), (f"    {sql}\n",)):
        answer = runner("query", *words)
        assert answer.exit_code == 0 and answer.stdout.startswith("cost"), answer.output
    assert asked == [*[sql] * 3, f"    {sql}\n"]
    wrong = runner("query", sql, "--cvs")
    assert wrong.exit_code == 2 and "--cvs" in wrong.stderr


def test_a_shell_completes_nothing_where_there_is_no_warehouse(runner, control: Control) -> None:
    asked = {"_CLI_COMPLETE": "bash_complete", "COMP_WORDS": "runner run --tenant "}
    for path in (control.path, control.folder / "profiles" / "profiles.yml"):
        path.unlink()
        answer = runner(**asked, COMP_CWORD="3")
        assert (answer.stdout.strip(), answer.stderr) == ("", "")


@pytest.mark.parametrize(
    ("args", "near"),
    [
        (("rum",), "run"),
        (("quotas",), "quota"),
        (("tenants",), "tenant"),
        (("tenant", "ad"), "add"),
        (("tenant", "lst"), "list"),
    ],
)
def test_a_mistyped_command_is_answered_with_the_nearest(runner, args, near: str) -> None:
    answer = runner(*args)
    assert answer.exit_code == 2 and f"did you mean '{near}'?" in answer.output


def test_a_command_like_no_other_is_answered_with_help(runner) -> None:
    answer = runner("zzzz")
    assert answer.exit_code == 2 and "runner --help" in answer.output


@pytest.mark.parametrize(
    "args",
    [
        ("run", "--tenant", "acme", "--dat", "2024-11-01"),
        ("run", "--date", "2024-11-01"),
        ("runs", "--tenant", "acme", "--limit", "0"),
        ("runs", "--tenant", "acme", "--limit", "many"),
        ("tenant", "add", "x", "--export", "y"),
        ("tenant", "add", "x", "--admin-email", "a@b.co"),
        ("tenant", "add", "x", "--admin-email", "a@b.co", "--export", "y", "--plan", "gold"),
        ("status", "--tenant", "acme"),
    ],
)
def test_wrong_options_are_a_usage_error(runner, args: tuple[str, ...]) -> None:
    answer = runner(*args)
    assert answer.exit_code == 2 and "Traceback" not in answer.output


@pytest.mark.parametrize("mark", ["\r\n", "\n", "\x1b", "\u2028"])
@pytest.mark.parametrize(
    "args",
    [
        ("run", "--tenant", "acme", "--date", "2024-11-01", "--trigger-by"),
        ("run", "--all-tenants", "--date", "2024-11-01", "--trigger-by"),
        ("catch-up", "--tenant", "acme", "--trigger-by"),
        ("catch-up", "--all-tenants", "--dry-run", "--trigger-by"),
        ("tenant", "add", "x", "--admin-email", "a@b.example", "--export", "y", "--company"),
        ("tenant", "update", "acme", "--company"),
        ("tenant", "key", "create", "--tenant", "acme", "--description"),
        ("tenant", "add", "x", "--admin-email", "a@b.example", "--export"),
        ("runs", "--tenant", "acme", "--pipeline"),
        ("tenant", "show"),
    ],
    ids=" ".join,
)
def test_a_control_character_in_any_word_is_refused(runner, args, mark: str) -> None:
    *before, last = args
    for words in ((*args, f"a{mark}b"), (*before, f"{last}=a{mark}b"), (*args, mark)):
        answer = runner(*words)
        assert answer.exit_code == 2 and "control character" in answer.stderr
        (message,) = answer.stderr.strip().splitlines()
        assert message.isascii() and message.isprintable() and answer.stdout == ""


def test_a_control_character_in_the_name_of_the_user_is_not_recorded(
    runner, control: Control, dbt
) -> None:
    answer = runner("run", "--tenant", "acme", "--date", "2024-11-01", LOGNAME="a\nb")
    assert answer.exit_code == 0, answer.output
    assert control.value("select trigger_by from acme.x_meta_pipeline_runs") == "cli"


TODAY = datetime.now(UTC).date()
RUN = ("run", "--tenant", "acme")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ((*RUN, "--date", "yesterday"), "write YYYY-MM-DD"),
        ((*RUN, "--date", ""), "write YYYY-MM-DD"),
        ((*RUN, "--date", str(TODAY + timedelta(days=2))), "in the future"),
        ((*RUN, "--from", "2024-11-02", "--to", "2024-11-01"), "swap them"),
        ((*RUN, "--from", "2024-11-02"), "Name the dates"),
        ((*RUN, "--to", "2024-11-02"), "Name the dates"),
        (RUN, "Name the dates"),
        ((*RUN, "--date", "2024-11-01", "--from", "2024-11-01"), "Name the dates"),
        (
            (*RUN, "--date", "2024-11-01", "--from", "2024-11-01", "--to", "2024-11-02"),
            "Name the dates",
        ),
        (("run", "--tenant", "acmee", "--date", "2024-11-01"), "did you mean acme?"),
        (("run", "--tenant", "zzz", "--date", "2024-11-01"), "runner tenant list"),
        (("run", "--tenant", "A'; drop", "--date", "2024-11-01"), "is not a valid tenant id"),
        ((*RUN, "--date", "2024-11-01", "--target", "prod"), "local, bigquery"),
        ((*RUN, "--date", "2024-11-01", "--project-dir", "/nowhere"), "dbt_project.yml"),
        (("quota", "--tenant", "globx"), "did you mean globex?"),
        (("runs", "--tenant", "globx"), "did you mean globex?"),
        (("runs", "--tenant", "acme", "--status", "DONE"), "COMPLETED"),
        (("status", "nope", "--tenant", "acme"), "runner runs --tenant acme"),
        (("status", "nope", "--tenant", "globx"), "did you mean globex?"),
        (("tenant", "show", "globx"), "did you mean globex?"),
    ],
)
def test_bad_input_is_one_sentence_with_the_remedy_and_writes_nothing(
    runner, control: Control, args: tuple[str, ...], words: str
) -> None:
    answer = runner(*args)
    assert answer.exit_code == 2 and words in answer.stderr
    assert answer.stdout == "" and "Traceback" not in answer.stderr
    assert len(answer.stderr.strip().splitlines()) == 1
    assert control.runs() == [] and not (control.folder / "target").exists()


def test_a_table_that_lacks_a_column_is_an_error_with_its_remedy(control: Control, runner) -> None:
    control.sql("alter table tenants.tenant_subscriptions drop column max_team_members")
    result = runner("tenant", "update", "acme", "--plan", "scale")
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit)
    assert "max_team_members" in result.output and "runner tenant repair acme" in result.output


ADD = ("tenant", "add", "newco", "--admin-email", "a@b.co")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (
            ("tenant", "add", "New Co", "--admin-email", "a@b.co", "--export", "x"),
            "not a valid tenant id",
        ),
        (("tenant", "add", "tenants", "--admin-email", "a@b.co", "--export", "x"), "reserved"),
        (("tenant", "add", "newco", "--admin-email", "unknown", "--export", "x"), "mail address"),
        ((*ADD, "--export", "/no/such/file.parquet"), "no file matches /no/such/file.parquet"),
        ((*ADD, "--export", "p.d.t", "--target", "local"), "not found"),
        ((*ADD, "--export", "table", "--target", "bigquery"), "project.dataset.table"),
    ],
)
def test_bad_onboarding_is_one_sentence_and_leaves_nothing(
    runner, control: Control, args: tuple[str, ...], words: str
) -> None:
    control.path.unlink()
    answer = runner(*args)
    assert answer.exit_code == 2 and words in answer.stderr
    assert len(answer.stderr.strip().splitlines()) == 1
    assert list((control.folder / "warehouse").iterdir()) == []


def test_a_bad_billing_account_or_project_is_refused(runner, tmp_path: Path) -> None:
    export = tmp_path / "x.parquet"
    export.touch()
    for option, value, words in (
        ("--billing-account", "01ecb7", "01ECB7-6EE0BA-7357F1"),
        ("--project", "My Project", "acme-prod"),
    ):
        answer = runner(*ADD, "--export", str(export), option, value)
        assert answer.exit_code == 2 and words in answer.stderr


@pytest.mark.parametrize(
    "args",
    [
        (*RUN, "--date", "2024-11-01", "--trigger-by", "a\udcff"),
        ("status", "\udcff", "--tenant", "acme"),
        ("runs", "--tenant", "acme", "--pipeline", "\udcff"),
    ],
)
def test_a_word_that_is_not_utf8_is_refused(runner, control: Control, args) -> None:
    answer = runner(*args)
    assert answer.exit_code == 2 and "is not valid UTF-8" in answer.stderr
    assert control.runs() == []


def test_a_date_that_no_export_has_spends_no_slot(runner, control: Control) -> None:
    answer = runner(*RUN, "--date", "0001-01-01")
    assert answer.exit_code == 2 and "before 2000-01-01" in answer.stderr
    assert control.runs() == []


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        ((*RUN, "--date", "2024-11-01"), 4, "control.db"),
        (("quota", "--tenant", "acme"), 4, "control.db"),
        ((*RUN, "--dat", "2024-11-01"), 2, "--dat"),
        (RUN, 2, "Name the dates"),
    ],
)
def test_an_error_in_json_is_a_document_too(runner, control: Control, args, code, words) -> None:
    control.path.write_bytes(b"no database" * 1000)
    answer = runner(*args, "--json")
    assert answer.exit_code == code and words in answer.stderr
    document = json.loads(answer.stdout)
    assert document["exit_code"] == code and words in document["error"]


def test_a_prompt_without_input_does_nothing(runner, control: Control) -> None:
    answer = runner("tenant", "remove", "acme")
    assert answer.exit_code == 2 and "Aborted: no input was given." in answer.stderr
    assert control.value("select count(*) from tenants.tenant_profiles where status='ACTIVE'") == 2


def test_a_broken_profile_is_one_sentence(runner, control: Control) -> None:
    (control.folder / "profiles" / "profiles.yml").write_text("a: [")
    for args in ((*RUN, "--date", "2024-11-01"), ("tenant", "list"), ("quota", "--tenant", "acme")):
        answer = runner(*args)
        assert answer.exit_code == 2 and "not valid YAML" in answer.stderr
        assert len(answer.stderr.strip().splitlines()) == 1


LONG = "x" * 300
RUNS_IN = ("runs", "--tenant", "acme", "--project-dir")


@pytest.mark.parametrize("words", [("init", LONG), ("init", f"{LONG}/bill"), (*RUNS_IN, LONG)])
def test_a_folder_whose_name_is_too_long_is_one_sentence(runner, words: tuple[str, ...]) -> None:
    answer = runner(*words)
    assert answer.exit_code == 2 and LONG in answer.stderr
    assert answer.stderr.startswith("Error: ") and answer.stderr.count("\n") == 1


@pytest.mark.parametrize("words", [("init",), RUNS_IN], ids=" ".join)
def test_a_folder_that_cannot_be_read_is_one_sentence(
    runner, tmp_path: Path, words: tuple[str, ...]
) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    if os.access(tmp_path / "closed", os.X_OK):
        pytest.skip("root can read every folder")
    answer = runner(*words, str(tmp_path / "closed" / "bill"))
    assert answer.exit_code == 2 and "closed/bill" in answer.stderr
    assert answer.stderr.startswith("Error: ") and answer.stderr.count("\n") == 1


def test_an_internal_error_before_there_is_a_log_prints_no_traceback(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a handler, logging would print it; --verbose has it print it."""

    def broken(*given: object) -> None:
        raise OSError("a bug")

    monkeypatch.setattr("runner.settings.load", broken)
    monkeypatch.setattr(logging.getLogger("runner"), "handlers", [])
    for option, has_traceback in ((), False), (("--verbose",), True):
        monkeypatch.setattr("sys.argv", ["runner", "runs", "--tenant", "acme", *option])
        with pytest.raises(SystemExit):
            real_main()
        assert bool(caplog.records) == has_traceback


def test_a_missing_profile_names_runner_init(runner, control: Control) -> None:
    (control.folder / "profiles" / "profiles.yml").unlink()
    answer = runner(*RUN, "--date", "2024-11-01")
    assert answer.exit_code == 2 and "runner init" in answer.stderr


def test_a_log_folder_that_cannot_be_written_is_a_warning_and_ends_nothing(
    runner, control: Control, dbt
) -> None:
    (control.folder / "file").touch()
    answer = runner(*RUN, "--date", "2024-11-01", RUNNER_LOG_DIR=str(control.folder / "file" / "x"))
    assert answer.exit_code == 0 and "RUNNER_LOG_DIR" in answer.stderr
    assert control.runs() == [("COMPLETED", None)]


def test_a_run_refused_by_quota_exits_3_with_the_reason(runner, control: Control) -> None:
    control.subscribe(daily_limit=0)
    answer = runner(*RUN, "--date", "2024-11-01")
    assert answer.exit_code == 3 and "daily limit reached: 0 of 0" in answer.stderr
    assert "runner quota --tenant acme" in answer.stderr and "starting dbt" not in answer.stderr
    assert [status for status, _ in control.runs()] == ["REFUSED"]


@pytest.mark.parametrize("name", ["gcp/cost/x", "../../x", "'); drop table x; --"])
def test_an_unknown_pipeline_exits_2_and_leaves_a_refused_row(
    runner, control: Control, name: str
) -> None:
    answer = runner(*RUN, "--date", "2024-11-01", "--pipeline", name)
    (message,) = answer.stderr.strip().splitlines()
    assert answer.exit_code == 2 and "gcp/cost/cost_billing" in message
    assert [("REFUSED", message.removeprefix("Error: "))] == control.runs()
    (row,) = control.sql(
        "select template, run_date, duration_ms, event_type from acme.x_meta_pipeline_runs"
        " join tenants.tenant_usage_events using (pipeline_logging_id)"
    )
    assert row == (name, DAY, 0, "refused")
    assert name in json.loads(runner("runs", "--tenant", "acme", "--json").stdout)[0]["template"]


def test_an_unknown_pipeline_of_an_unknown_tenant_or_of_a_dry_run_leaves_no_row(
    runner, control: Control
) -> None:
    other = ("--date", "2024-11-01", "--pipeline", "gcp/cost/x")
    assert "did you mean acme?" in runner("run", "--tenant", "acmee", *other).stderr
    assert runner(*RUN, *other, "--dry-run").exit_code == 2
    assert control.runs() == []


def estimated(*models: ModelEstimate, cap: int | None = None) -> Estimate:
    """An estimate of two dates."""
    dates = DateRange(date(2024, 11, 1), date(2024, 11, 2))
    tables = ("billing_cost_daily", "cost_daily")
    return Estimate(
        "acme", dates, "gcp/cost/cost_billing", tables, 38, models, Decimal("6.25"), cap
    )


def test_a_dry_run_that_costs_nothing_shows_the_plan_and_no_bytes(
    runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = estimated(ModelEstimate("billing_cost_daily", None))
    monkeypatch.setattr("runner.orchestration.estimate.of", lambda *args: found)
    lines = runner(*RUN, "--date", "2024-11-01", "--dry-run").stdout.splitlines()
    assert lines[0].split() == [
        *("PLAN", "acme", "2024-11-01", "to", "2024-11-02"),
        *("(2", "dates,", "pipeline", "gcp/cost/cost_billing)"),
    ]
    assert [line.split() for line in lines[1:4]] == [
        ["1.", "table", "billing_cost_daily"],
        ["2.", "table", "cost_daily"],
        ["tests", "38", "dbt", "tests,", "each", "of", "one", "or", "more", "expectations"],
    ]
    assert "nothing is billed" in lines[-1] and "bytes" not in "".join(lines)
    document = json.loads(runner(*RUN, "--date", "2024-11-01", "--dry-run", "--json").stdout)
    assert (document["tenant_id"], document["run_date"]) == ("acme", "2024-11-01")
    assert document["tables"] == ["billing_cost_daily", "cost_daily"]


@pytest.mark.parametrize(
    ("typed", "on_path", "named"),
    [
        (".venv/bin/runner", None, ".venv/bin/runner"),
        ("/opt/a/runner", "/opt/b/runner", "/opt/a/runner"),
        ("/opt/a/runner", "/opt/a/runner", "runner"),
        ("/opt/a/runner/__main__.py", None, "runner"),
    ],
)
def test_a_command_is_named_as_the_caller_can_type_it(
    monkeypatch: pytest.MonkeyPatch, typed: str, on_path: str | None, named: str
) -> None:
    monkeypatch.setattr("sys.argv", [typed])
    monkeypatch.setattr("shutil.which", lambda name: on_path)
    monkeypatch.setattr("os.path.samefile", lambda one, other: one == other)
    text = "The runner waits: see `runner runs --tenant a`, or\nrunner tenant list"
    shown = f"The runner waits: see `{named} runs --tenant a`, or\n{named} tenant list"
    assert as_typed(text) == shown


def test_a_program_with_a_blank_in_its_path_is_quoted(monkeypatch) -> None:
    monkeypatch.setattr("sys.argv", ["/my venv/bin/runner"])
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert as_typed("Next: runner run") == "Next: '/my venv/bin/runner' run"


@pytest.mark.parametrize("typed", ["bill", "my bill"])
def test_the_next_command_of_init_works_from_where_it_was_typed(
    runner, control: Control, monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    """With the program's path and a WAREHOUSE_DIR that are relative to that folder, too."""
    monkeypatch.chdir(control.folder)
    monkeypatch.setattr("sys.argv", [".venv/bin/runner"])
    monkeypatch.setattr("shutil.which", lambda name: None)
    printed = ["Next: runner quota --tenant acme"]
    monkeypatch.setattr("runner.onboarding.demo.prepare", lambda *given: list(printed))
    answer = runner("init", typed)
    assert answer.exit_code == 0, answer.output
    program, *words = shlex.split(answer.stdout.splitlines()[-1].removeprefix("Next: "))
    assert (program, words[-2:]) == (".venv/bin/runner", ["--project-dir", typed])
    environ = {"WAREHOUSE_DIR": os.path.relpath(control.environ["WAREHOUSE_DIR"])}
    assert runner(*words, **environ).exit_code == 0
    assert runner(*words[:-1], "elsewhere", **environ).exit_code == 2


def test_an_error_names_a_command_that_works_as_printed(runner, monkeypatch) -> None:
    monkeypatch.setattr("sys.argv", [".venv/bin/runner"])
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert "see `.venv/bin/runner runs --tenant acme`" in runner("status", "x", *RUN[1:]).stderr
    document = json.loads(runner("status", "x", *RUN[1:], "--json").stdout)
    assert "see `runner runs --tenant acme`" in document["error"]


def test_an_estimate_over_the_cap_is_shown_before_it_is_refused(
    runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = estimated(ModelEstimate("billing_cost_daily", 2**40), cap=10**9)
    monkeypatch.setattr("runner.orchestration.estimate.of", lambda *args: found)
    answer = runner(*RUN, "--date", "2024-11-01", "--dry-run")
    assert answer.exit_code == 3 and "maximum_bytes_billed" in answer.stderr
    assert "billing_cost_daily" in answer.stdout and "6.25" in answer.stdout
    document = json.loads(runner(*RUN, "--date", "2024-11-01", "--dry-run", "--json").stdout)
    assert document["exit_code"] == 3 and document["models"]


def test_runs_of_an_unknown_pipeline_are_answered_with_those_there_are(
    runner, control: Control
) -> None:
    answer = runner("runs", "--tenant", "acme", "--pipeline", "nope")
    assert answer.exit_code == 0 and "gcp/cost/cost_billing" in answer.stderr
    assert (
        "use one of"
        not in runner(*("runs", "--tenant", "acme", "--pipeline", "gcp/cost/cost_billing")).stderr
    )


@pytest.mark.parametrize(
    ("problem", "attempts"),
    [
        (TimeoutError("timed out"), 1),
        (smtplib.SMTPServerDisconnected("gone"), 1),
        (smtplib.SMTPRecipientsRefused({}), 3),
        (ValueError("a header"), 3),
    ],
    ids=lambda value: type(value).__name__,
)
def test_alerts_go_after_the_commands_own_work_and_no_more_once_the_server_does_not_answer(
    runner, control: Control, monkeypatch: pytest.MonkeyPatch, problem: Exception, attempts: int
) -> None:
    for n in range(3):
        control.sql(
            "insert into acme.x_meta_alerts by name select ? as alert_id, 'failure' as kind,"
            " 'PENDING' as status, '[\"a@b.co\"]' as recipients, 's' as subject,"
            " 't' as body_text, 't' as body_html, 0 as attempts, 'r' as pipeline_logging_id,"
            " ? as created_at, ? as next_attempt_at",
            *(str(n), datetime(2024, 1, 1), datetime(2024, 1, 1)),
        )
    order: list[str] = []
    echo = click.echo

    def silent(mailbox: object, message: object) -> None:
        order.append(control.runs()[0][0])
        raise problem

    def printed(text: str, **named: object) -> None:
        order.append("printed")
        echo(text)

    monkeypatch.setattr("runner.mailing.SmtpMailbox.send", silent)
    monkeypatch.setattr("click.echo", printed)
    assert runner("cancel", control.add_run("RUNNING"), "--tenant", "acme").exit_code == 0
    assert order == ["printed", *["CANCELLED"] * attempts]
    tried = control.sql("select attempts, last_error from acme.x_meta_alerts")
    assert tried == [(1, f"{type(problem).__name__}: {problem}")] * 3


def test_a_refusal_in_json_is_a_document_too(runner, control: Control) -> None:
    """A script that reads --json must not have to parse sentences."""
    control.subscribe(daily_limit=0)
    answer = runner(*RUN, "--date", "2024-11-01", "--json")
    assert answer.exit_code == 3
    document = json.loads(answer.stdout)
    assert document["status"] == "REFUSED" and "daily limit" in document["error"]
    assert document["covered"] is False


def test_a_warehouse_that_is_not_a_database_exits_4(runner, control: Control) -> None:
    control.path.write_bytes(b"no database" * 1000)
    answer = runner("quota", "--tenant", "acme")
    assert answer.exit_code == 4 and "Traceback" not in answer.output


def test_an_active_run_that_covers_the_date_exits_0_with_its_id(runner, control: Control) -> None:
    active = control.add_run("RUNNING", day=DAY, to_day=DAY + timedelta(days=3))
    answer = runner(*RUN, "--date", "2024-11-02")
    assert answer.exit_code == 0 and active in answer.stdout
    document = json.loads(runner(*RUN, "--date", "2024-11-02", "--json").stdout)
    assert (document["pipeline_logging_id"], document["deduplicated"]) == (active, True)
    assert document["status"] == "RUNNING"
    assert len(control.runs()) == 1


def test_a_run_that_waits_for_a_service_is_reported_with_what_to_do(
    runner, control: Control
) -> None:
    waits = control.take(DAY, DAY + timedelta(days=3), queued=True).id
    answer = runner(*RUN, "--date", "2024-11-02")
    assert answer.exit_code == 0 and "has waited for `runner serve` since 20" in answer.stdout
    assert f"runner cancel {waits} --tenant acme" in answer.stdout
    some = runner(*RUN, "--from", "2024-11-02", "--to", "2024-11-30")
    assert some.exit_code == 1 and "waiting for `runner serve`" in some.output


def test_an_active_run_that_has_only_some_of_the_dates_is_an_error(
    runner, control: Control
) -> None:
    active = control.add_run("RUNNING", day=date(2024, 11, 3))
    asked = ("run", "--tenant", "acme", "--from", "2024-11-01", "--to", "2024-11-05")
    answer = runner(*asked)
    assert answer.exit_code == 1 and answer.stdout == ""
    (message,) = answer.stderr.strip().splitlines()
    for words in (
        f"{active} of acme is RUNNING for 2024-11-03",
        "will not load 2024-11-01 to 2024-11-02 and 2024-11-04 to 2024-11-05",
        "--wait",
    ):
        assert words in message
    answer = runner(*asked, "--json")
    document = json.loads(answer.stdout)
    assert answer.exit_code == 1
    assert (document["deduplicated"], document["covered"]) == (True, False)
    assert document["pipeline_logging_id"] == active and "will not load" in document["error"]
    assert len(control.runs()) == 1


def test_of_two_active_runs_the_one_that_covers_the_dates_is_the_duplicate(
    runner, control: Control
) -> None:
    older = datetime.now(UTC) - timedelta(minutes=5)
    control.add_run("RUNNING", day=DAY, started=older)
    covering = control.add_run("RUNNING", day=DAY, to_day=DAY + timedelta(days=9))
    answer = runner("run", "--tenant", "acme", "--from", "2024-11-01", "--to", "2024-11-02")
    assert answer.exit_code == 0 and covering in answer.stdout


def test_waiting_for_a_run_that_covers_the_date_reports_why_it_failed(
    runner, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(stop: Stop, seconds: float) -> None:
        control.sql("update acme.x_meta_pipeline_runs set status='FAILED', error_message='boom'")

    for as_json in ((), ("--json",)):
        control.add_run("RUNNING", day=DAY)
        monkeypatch.setattr(Stop, "sleep", fails)
        answer = runner(*RUN, "--date", "2024-11-01", "--wait", *as_json)
        assert answer.exit_code == 1 and "boom" in answer.stdout
    assert json.loads(answer.stdout)["error"] == "boom"


def test_tenants_are_listed_for_people_and_machines(runner) -> None:
    assert "globex" in runner("tenant", "list").stdout
    listed = json.loads(runner("tenant", "list", "--json").stdout)
    assert [one["id"] for one in listed] == ["acme", "globex"]


def test_without_tenants_the_list_shows_how_to_add_one(runner, control: Control) -> None:
    control.path.unlink()
    answer = runner("tenant", "list")
    assert answer.exit_code == 0 and "runner tenant add" in answer.stdout


def test_one_tenant_is_shown_with_its_exports(runner, control: Control) -> None:
    control.sql(
        "insert into tenants.tenant_exports by name select 'acme' as tenant_id,"
        " '/x.parquet' as export_ref, '[\"A\"]' as billing_account_ids, '[]' as project_ids,"
        " true as has_unallocated"
    )
    shown = runner("tenant", "show", "acme").stdout
    assert "/x.parquet" in shown and "admin@acme.example" in shown
    document = json.loads(runner("tenant", "show", "acme", "--json").stdout)
    assert document["exports"][0]["billing_accounts"] == ["A"]
    assert document["daily_limit"] == 25


def test_runs_are_listed_newest_first_and_filtered(runner, control: Control) -> None:
    now = datetime.now(UTC)
    old = control.add_run("FAILED", started=now - timedelta(hours=2))
    new = control.add_run("COMPLETED", started=now)
    documents = json.loads(runner("runs", "--tenant", "acme", "--json").stdout)
    assert [one["pipeline_logging_id"] for one in documents] == [new, old]
    failed = runner("runs", "--tenant", "acme", "--status", "failed").stdout
    assert old in failed and new not in failed
    limited = json.loads(runner("runs", "--tenant", "acme", "--limit", "1", "--json").stdout)
    assert [one["pipeline_logging_id"] for one in limited] == [new]


def test_a_run_is_found_right_after_it_was_claimed(runner, control: Control) -> None:
    """The predecessor read another table than it wrote: 404 for a run just started."""
    run = control.take()
    document = json.loads(runner("status", run.id, "--tenant", "acme", "--json").stdout)
    assert document["status"] == "PENDING" and document["steps"] == []
    assert run.id in runner("status", run.id, "--tenant", "acme").stdout


def test_another_tenants_run_is_not_found(runner, control: Control) -> None:
    run = control.take(tenant_id="globex")
    assert runner("status", run.id, "--tenant", "acme").exit_code == 2


def test_the_quota_is_shown_to_people_and_machines(runner, control: Control) -> None:
    control.add_run()
    assert "24" in runner("quota", "--tenant", "acme").stdout
    document = json.loads(runner("quota", "--tenant", "acme", "--json").stdout)
    (daily, *_) = document["limits"]
    assert (daily["name"], daily["used"], daily["remaining"]) == ("daily", 1, 24)


LOGGED = [
    ("quota", "--tenant", "acme"),
    ("runs", "--tenant", "acme"),
    ("status", "x", "--tenant", "acme"),
    ("tenant", "list"),
    ("tenant", "show", "acme"),
    (*RUN, "--date", "2024-11-01"),
    ("tenant", "list", "--json"),
]


@pytest.mark.parametrize("args", LOGGED, ids=lambda args: " ".join(args[:2]))
def test_a_mistake_of_ours_is_one_line_and_its_trace_is_in_the_log(
    control: Control, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, args
) -> None:
    import logging

    def broken(*args: object) -> None:
        raise ZeroDivisionError("a mistake of ours")

    for lookup in ("every", "known"):
        monkeypatch.setattr(f"runner.control.tenants.{lookup}", broken)
    for name, value in control.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.argv", ["runner", *args])
    monkeypatch.setattr(logging.getLogger("runner"), "handlers", [])
    with pytest.raises(SystemExit) as caught:
        real_main()
    assert caught.value.code == 1
    shown = capsys.readouterr()
    message = shown.err
    if "--json" in args:
        assert json.loads(shown.out)["exit_code"] == 1
    assert "internal error" in message and "Traceback" not in message
    assert len(message.strip().splitlines()) == 1
    log = control.folder / "logs" / "runner.jsonl"
    assert str(log) in message
    assert "Traceback" in log.read_text() and "a mistake of ours" in log.read_text()


def test_a_date_far_back_is_a_date(runner, control: Control) -> None:
    control.add_run("RUNNING", day=date(2017, 1, 1))
    assert runner(*RUN, "--date", "2017-01-01").exit_code == 0
