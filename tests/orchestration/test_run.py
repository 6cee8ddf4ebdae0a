"""One run in order: claim, dbt, record, notify. dbt's outcome is given; all else is real."""

import gzip
import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from click.testing import Result
from control_file import DAY, Control, request
from given import FAILED, GOOD, a_node, mail_at
from support import Inbox, free_port

from runner import mailing
from runner.control import runs, spool
from runner.control.claim import Contact
from runner.engine.job import Outcome
from runner.errors import Refused, WarehouseUnreachable
from runner.orchestration import build, follow
from runner.orchestration.report import Report
from runner.orchestration.run import run_dates
from runner.pipelines import templates

TEMPLATE = templates.load(templates.DEFAULT)
# What is reported of test_notify's FAILED where no hook left a row.
FAILURE = "cost_type_is_known failed for 3 rows. Nothing is published for these dates."


def run(
    control: Control, port: int = 0, mailbox: Any = None, admin_email: str = "", **environ: str
) -> Report:
    settings = replace(
        control.settings,
        environ={
            **control.environ,
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(port or 9),
            **environ,
        },
    )
    context = replace(
        control.context,
        settings=settings,
        mailbox=mailbox or mailing.SmtpMailbox(lambda: mail_at(port)),
    )
    asked = request(**({"contact": Contact(admin_email, "Acme & Sons")} if admin_email else {}))
    return run_dates(context, asked, TEMPLATE)


def mail_steps(control: Control) -> list[tuple[Any, ...]]:
    return control.sql(
        "select status, error_message from acme.x_meta_step_logs"
        " where step_id = 'notify_on_failure'"
    )


def test_a_good_run_is_completed_with_its_totals_per_currency(control, dbt) -> None:
    report = run(control)
    assert report.status == "COMPLETED" and control.runs() == [("COMPLETED", None)]
    assert [(t.currency, t.rows, t.cost, t.credits, t.net) for t in report.totals] == [
        ("EUR", 1, Decimal(2), Decimal(0), Decimal(2)),
        ("USD", 1, Decimal("1.000000001"), Decimal("-0.5"), Decimal("0.500000001")),
    ]
    assert control.value("select row_count from acme.x_meta_pipeline_runs") == 2


def test_a_good_run_sends_no_mail(control, dbt, inbox: Inbox) -> None:
    run(control, inbox.port)
    assert inbox.mails == [] and mail_steps(control) == []


def test_dbt_is_given_the_dates_the_run_and_the_templates_selector(control, dbt) -> None:
    report = run(control)
    ((job, timeout),) = dbt.jobs
    assert job.vars["from_date"] == job.vars["to_date"] == DAY.isoformat()
    assert job.vars["pipeline_logging_id"] == report.run.id
    assert job.tenant_id == "acme" and TEMPLATE.step.selector in job.command
    assert timeout == TEMPLATE.step.timeout_minutes * 60


def test_an_export_that_changed_while_it_was_read_is_checked_again_before_the_second_build(
    control, dbt
) -> None:
    export = control.folder / "e.json.gz"
    good = gzip.compress(b"{}\n")
    export.write_bytes(good)
    control.sql(
        "insert into tenants.tenant_exports by name select 'acme' as tenant_id,"
        " ? as export_ref, '[]' as billing_account_ids, '[]' as project_ids",
        str(export),
    )

    class Upload(dbt):
        def run(self, *job: Any, **ticks: Any) -> Outcome:
            super().run(*job, **ticks)
            export.write_bytes(good[:-8] + b"\0\0\0\0" + good[-4:])
            return Outcome(False, f"billing_cost_daily: {build.EXPORT_CHANGED}: {export}")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("runner.engine.pool.Worker", Upload)
        report = run(control)
    assert len(dbt.jobs) == 1, "damaged files are not read"
    assert report.status == "FAILED" and f"{export} is damaged" in report.outcome.error


def test_a_failed_build_is_recorded_before_it_is_mailed(control, dbt) -> None:
    dbt.outcome = FAILED
    seen: list[tuple[Any, ...]] = []

    class Mailbox:
        def send(self, message: Any) -> dict[str, Any]:
            seen.extend(control.runs())
            return {}

    report = run(control, mailbox=Mailbox())
    assert report.status == "FAILED"
    assert seen == [("FAILED", FAILURE)], "the record was written when the mail went"


def test_a_failed_run_is_mailed_once_and_the_mail_is_a_step(control, dbt, inbox: Inbox) -> None:
    dbt.outcome = FAILED
    run(control, inbox.port, ALERT_TO="ops@ours.example")
    assert [envelope.rcpt_tos for envelope in inbox.mails] == [
        ["admin@acme.example", "ops@ours.example"]
    ]
    assert mail_steps(control) == [("COMPLETED", None)]
    words = bytes(inbox.mails[0].content or b"").decode()
    assert "Readers see now:    Nothing is published for these dates." in words


def test_a_mail_server_that_is_down_changes_nothing_about_the_failure(control, dbt) -> None:
    dbt.outcome = FAILED
    report = run(control, free_port())
    assert (report.status, report.outcome.error) == ("FAILED", FAILURE)
    assert control.runs() == [("FAILED", FAILURE)]
    ((status, error),) = mail_steps(control)
    assert status == "FAILED" and "refused" in error.lower()


def test_a_refused_recipient_is_recorded_and_the_admin_has_the_mail(control, dbt, inbox) -> None:
    dbt.outcome = FAILED
    inbox.refuses.add("ops@ours.example")
    run(control, inbox.port, ALERT_TO="ops@ours.example")
    ((status, error),) = mail_steps(control)
    assert status == "COMPLETED" and "ops@ours.example" in error
    assert inbox.mails[0].rcpt_tos == ["admin@acme.example"]


@pytest.mark.parametrize("problem", [ValueError("a header"), OverflowError("port"), OSError("x")])
def test_whatever_a_mailbox_raises_is_recorded_and_never_hides_the_failure(
    control, dbt, problem: Exception
) -> None:
    """What smtplib and email raise for a port or an address that they cannot stomach."""
    dbt.outcome = FAILED

    class Mailbox:
        def send(self, message: Any) -> None:
            raise problem

    assert run(control, mailbox=Mailbox()).status == "FAILED"
    assert control.runs() == [("FAILED", FAILURE)]
    assert [status for status, _ in mail_steps(control)] == ["FAILED"]


def test_an_address_that_no_header_can_hold_is_recorded(control, dbt, inbox: Inbox) -> None:
    dbt.outcome = FAILED
    run(control, inbox.port, admin_email="ops@ours.example\nBcc: evil@x.example")
    assert control.runs() == [("FAILED", FAILURE)]
    ((status, error),) = mail_steps(control)
    assert status == "FAILED" and "no valid mail address" in error and inbox.mails == []


def test_the_mail_goes_even_when_the_failure_cannot_be_recorded(
    control, dbt, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    dbt.outcome = FAILED
    monkeypatch.setattr(
        "runner.orchestration.step_log.finish",
        lambda *args: (_ for _ in ()).throw(WarehouseUnreachable("the disk is full")),
    )
    with pytest.raises(WarehouseUnreachable, match="disk is full"):
        run(control, inbox.port)
    assert len(inbox.mails) == 1


def test_without_an_outbox_a_run_is_ended_all_the_same(control, dbt, inbox: Inbox) -> None:
    control.sql("drop table acme.x_meta_alerts")
    report = run(control, inbox.port)
    assert report.status == "COMPLETED" and control.runs() == [("COMPLETED", None)]
    assert control.value("select count(*) from acme.x_meta_step_logs where status='RUNNING'") == 0
    assert any("x_meta_alerts" in warning for warning in report.warnings)


def test_without_an_outbox_a_failure_is_mailed_and_its_alert_waits_for_the_repair(
    control, dbt, inbox: Inbox
) -> None:
    dbt.outcome = FAILED
    control.sql("drop table acme.x_meta_alerts")
    assert run(control, inbox.port).status == "FAILED"
    assert control.runs() == [("FAILED", FAILURE)] and len(inbox.mails) == 1
    assert spool.drain(control.settings, control.context.store) == 0
    control.context.store.complete("acme")
    assert spool.drain(control.settings, control.context.store) == 2
    assert control.sql("select status from acme.x_meta_alerts") == [("SENT",)]
    assert [status for status, _ in mail_steps(control)] == ["COMPLETED"]


def test_each_node_is_a_step_and_those_in_between_are_closed(control, dbt) -> None:
    dbt.outcome = FAILED
    run(control, free_port())
    steps = control.sql(
        "select step_name, status, row_count from acme.x_meta_step_logs"
        " where step_type in ('model', 'test') order by step_index"
    )
    assert steps == [
        ("billing_cost_daily", "COMPLETED", None),
        ("cost_type_is_known", "FAILED", 3),
        ("sku_is_not_null", "FAILED", 12),
        ("grain", "COMPLETED", 0),
        ("gcp_silver_cost", "SKIPPED", None),
    ]
    assert control.value("select count(*) from acme.x_meta_step_logs where status='RUNNING'") == 0


@pytest.mark.parametrize(
    ("outcome", "are_cancelled"),
    [
        (Outcome(False, "the dbt process was killed by signal 9"), True),
        (Outcome(False, "timed out after 20 min"), True),
        (Outcome(False, "a proof failed", (a_node("billing_cost_daily", "error"),)), True),
        (GOOD, False),
    ],
)
def test_what_a_dbt_that_was_killed_left_at_work_is_cancelled(
    control, dbt, monkeypatch: pytest.MonkeyPatch, outcome: Outcome, are_cancelled: bool
) -> None:
    """On BigQuery its jobs go on without it; it is done before what was published is read."""
    dbt.outcome, asked = outcome, []
    monkeypatch.setattr(control.context.store, "cancel_jobs", lambda *args: asked.append(args))
    run_id = run(control, free_port()).run.id
    assert asked == [("acme", [run_id])] * are_cancelled


def test_a_dbt_that_died_leaves_no_step_running(control, dbt) -> None:
    dbt.outcome = Outcome(False, "the dbt process was killed by signal 9")
    run(control, free_port())
    reported = "the dbt process was killed by signal 9. Nothing is published for these dates."
    assert control.runs() == [("FAILED", reported)]
    assert control.value("select count(*) from acme.x_meta_step_logs where status='RUNNING'") == 0


def test_a_date_without_rows_completes_with_the_warning(control, dbt) -> None:
    with duckdb.connect(str(control.path.parent / "tenant_acme.duckdb")) as connection:
        connection.execute("delete from acme.billing_cost_daily")
    report = run(control)
    warning = "0 rows: the export has no usage for these dates yet."
    assert (report.status, report.rows, report.warnings) == ("COMPLETED", 0, (warning,))
    assert control.runs() == [("COMPLETED", None)]
    assert control.sql("select warnings->>0 from acme.x_meta_pipeline_runs") == [(warning,)]


def test_a_warning_of_a_test_is_reported_and_the_run_completes(control, dbt) -> None:
    dbt.outcome = Outcome(True, None, (*GOOD.nodes, a_node("freshness", "warn", failures=2)))
    report = run(control)
    assert report.status == "COMPLETED" and report.warnings == ("freshness found 2 rows.",)


def test_a_failed_node_is_logged_as_an_error_and_a_warning_as_one(control, dbt, caplog) -> None:
    nodes = (a_node("proof", "error"), a_node("unique", "fail"), a_node("freshness", "warn"))
    dbt.outcome = Outcome(False, "a proof failed", nodes)
    run(control, free_port())
    steps = [(one.step, one.levelname) for one in caplog.records if hasattr(one, "step")]
    levels = zip((node.unique_id for node in nodes), ("ERROR", "ERROR", "WARNING"), strict=True)
    assert [one for one in steps if one[1] != "INFO"] == list(levels)


def test_a_damaged_file_of_the_tenant_is_reported_before_dbt_is_asked(control, dbt) -> None:
    asked = len(dbt.jobs)
    path = control.path.parent / "tenant_acme.duckdb"
    path.write_bytes(b"no database" * 1000)
    report = run(control)
    assert report.status == "FAILED" and len(dbt.jobs) == asked
    assert control.runs()[0][1].startswith(f"{path} is damaged")


def test_totals_that_cannot_be_read_fail_the_run(
    control, dbt, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks_it(*args: Any, **values: Any) -> Outcome:
        (control.path.parent / "tenant_acme.duckdb").write_bytes(b"no database" * 1000)
        return GOOD

    monkeypatch.setattr(dbt, "run", breaks_it)
    with pytest.raises(WarehouseUnreachable):
        run(control, inbox.port)
    assert control.runs()[0][0] == "FAILED"
    assert len(inbox.mails) == 1


def test_an_error_of_our_own_does_not_leave_the_run_running(control, dbt, monkeypatch) -> None:
    """A run of the predecessor stayed RUNNING and blocked its tenant until a script cleared it."""

    def broken(*args: Any, **values: Any) -> Outcome:
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr(dbt, "run", broken)
    with pytest.raises(RuntimeError):
        run(control)
    assert [status for status, _ in control.runs()] == ["FAILED"]


def test_an_interrupted_run_does_not_stay_running(control, dbt, monkeypatch) -> None:
    def interrupted(*args: Any, **values: Any) -> Outcome:
        raise KeyboardInterrupt

    monkeypatch.setattr(dbt, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(control)
    assert control.runs()[0][0] in ("FAILED", "CANCELLED")


def test_a_run_that_lost_its_lease_midway_does_not_report_that_it_completed(
    control, dbt, monkeypatch
) -> None:
    def closed_meanwhile(self: Any, *args: Any, **values: Any) -> Outcome:
        control.sql("update acme.x_meta_pipeline_runs set status='CANCELLED', error_message='op'")
        return GOOD

    monkeypatch.setattr(dbt, "run", closed_meanwhile)
    report = run(control)
    assert control.runs() == [("CANCELLED", "op")]
    assert report.status == "CANCELLED"


def test_a_403_of_dbts_has_the_command_that_names_the_grant(control, dbt) -> None:
    dbt.outcome = Outcome(False, "Access Denied: Table p:d.t: User does not have permission.")
    report = run(control)
    assert report.outcome and report.outcome.error
    assert "User does not have permission: run `runner doctor --tenant acme`" in (
        report.outcome.error
    )


@pytest.mark.parametrize("name", ["daily", "monthly", "concurrent"])
def test_a_quota_refusal_names_the_command_that_raises_it_and_that_helps(
    control, dbt, runner: Callable[..., Result], name: str
) -> None:
    control.subscribe(**{f"{name}_limit": 0})
    with pytest.raises(Refused) as caught:
        run(control)
    (command,) = re.findall(r"now 0, with `(runner tenant update .*?)`", caught.value.message)
    assert command == f"runner tenant update acme --{name}-limit N"
    done = runner(*shlex.split(command.replace("N", "9"))[1:])
    assert done.exit_code == 0, done.output
    assert run(control).status == "COMPLETED"


def test_a_refusal_starts_no_dbt_and_sends_no_mail(control, dbt, inbox: Inbox) -> None:
    control.subscribe(daily_limit=0)
    with pytest.raises(Refused, match=r"daily limit reached: 0 of 0.*runner quota") as caught:
        run(control, inbox.port)
    assert caught.value.exit_code == 3
    assert dbt.jobs == [] and inbox.mails == [] and control.runs()[0][0] == "REFUSED"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("update tenants.tenant_profiles set status='SUSPENDED'", "`runner tenant resume acme`"),
        ("update tenants.tenant_subscriptions set status='EXPIRED'", "`runner doctor --tenant"),
        ("update tenants.tenant_subscriptions set concurrent_limit=0", "when a run ends"),
    ],
)
def test_a_refusal_reports_what_to_do(control, dbt, change: str, words: str) -> None:
    control.sql(change)
    with pytest.raises(Refused, match=words):
        run(control)


def test_a_run_cancelled_by_another_command_reports_it_with_that_commands_message(
    control, dbt, monkeypatch
) -> None:
    def cancelled(self: Any, *args: Any, on_tick: Any, **values: Any) -> Outcome:
        run_id = control.value("select pipeline_logging_id from acme.x_meta_pipeline_runs")
        runs.cancel(control.context.store, "acme", run_id, "cancelled by root")
        on_tick()
        return GOOD

    monkeypatch.setattr(dbt, "run", cancelled)
    report = run(control)
    assert (report.status, report.outcome.error) == ("CANCELLED", "cancelled by root")


def start(control: Control, first: date, last: date) -> Report:
    asked = request(first, last)
    mailbox = mailing.SmtpMailbox(lambda: mail_at(0))
    return run_dates(replace(control.context, mailbox=mailbox), asked, TEMPLATE)


def test_a_command_that_waited_for_a_run_with_some_of_the_dates_then_loads_all_of_them(
    control, dbt, monkeypatch
) -> None:
    """And a third run that comes meanwhile is waited for likewise."""
    control.add_run("RUNNING", day=DAY)
    others = [control.add_run("COMPLETED", day=DAY)]

    def ends(seconds: float) -> None:
        control.sql("update acme.x_meta_pipeline_runs set status='COMPLETED'")
        if others:
            control.sql(
                "update acme.x_meta_pipeline_runs set status='RUNNING'"
                " where pipeline_logging_id = ?",
                others.pop(),
            )

    monkeypatch.setattr(control.context.stop, "sleep", ends)
    last = date(2024, 11, 5)
    reported: list[str] = []
    report = follow.or_start(
        replace(control.context, echo=reported.append), lambda: start(control, DAY, last)
    )
    assert (report.status, report.run.deduplicated, report.covered) == ("COMPLETED", False, True)
    ((job, _),) = dbt.jobs
    assert (job.vars["from_date"], job.vars["to_date"]) == ("2024-11-01", "2024-11-05")
    assert len(reported) == 2, "two runs were waited for"


def test_a_command_that_waits_for_a_run_that_covers_the_dates_has_its_end(
    control, dbt, monkeypatch
) -> None:
    first = control.add_run("RUNNING", day=DAY)

    def ends(seconds: float) -> None:
        control.sql("update acme.x_meta_pipeline_runs set status='COMPLETED'")

    monkeypatch.setattr(control.context.stop, "sleep", ends)
    report = follow.or_start(control.context, lambda: start(control, DAY, DAY))
    assert (report.run.id, report.status, report.outcome) == (first, "COMPLETED", None)
    assert dbt.jobs == []


def test_a_duplicate_starts_no_dbt(control, dbt) -> None:
    first = control.add_run("RUNNING", day=date(2024, 11, 1))
    report = run(control)
    assert (report.run.id, report.run.deduplicated, dbt.jobs) == (first, True, [])
