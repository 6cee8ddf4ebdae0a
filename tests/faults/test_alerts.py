"""The failure mail, sent to a real mail server in this process: once, and whatever is broken.

Most runs fail fast: their dbt process is killed before it imports dbt.
"""

import contextlib
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import Envelope
from control_file import DAY
from scene import RUN, Bill, Scene, document, made_in
from support import Inbox, free_port

from runner.control import runs_sql, spooled
from runner.control.claim import Contact
from runner.control.runs import run_from_row
from runner.engine.job import Outcome
from runner.orchestration import alerts as outbox
from runner.pipelines import templates

SUBJECT = "[ALERT] Cost Billing Pipeline Failed - acme"
RECOVERED = "[RECOVERED] Cost Billing Pipeline - acme"
FAILS = "child:boot"
ERROR = "the dbt process was killed by SIGKILL (out of memory?)"


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """A warehouse of this test's own."""
    place = made_in(tmp_path)
    yield place
    place.end()


def to(inbox: Inbox, **more: str) -> dict[str, str]:
    """The environment that sends mail there."""
    return {
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(inbox.port),
        "ALERT_TO": "ops@ours.example, oncall@ours.example",
        **more,
    }


def read(envelope: Envelope) -> EmailMessage:
    found = message_from_bytes(bytes(envelope.content or b""), policy=policy.default)
    assert isinstance(found, EmailMessage)
    return found


def readers_see(envelope: Envelope) -> str:
    """What the mail reports of the rows that readers of the data see now."""
    words = read(envelope).get_body(("plain",))
    assert words is not None
    (line,) = re.findall(r"^Readers see now: +(.+)$", words.get_content(), re.MULTILINE)
    return str(line)


def subjects(inbox: Inbox) -> list[str]:
    return [read(envelope)["Subject"] for envelope in inbox.mails]


def alerts(scene: Scene) -> list[tuple[Any, ...]]:
    """Kind, status, attempts and last error of each alert, oldest first."""
    return scene.sql(
        "select kind, status, attempts, last_error from acme.x_meta_alerts order by created_at"
    )


def mail_step(scene: Scene) -> tuple[Any, ...]:
    """Status and message of the newest run's mail step."""
    (row,) = scene.sql(
        "select status, error_message from acme.x_meta_step_logs"
        " where step_id = 'notify_on_failure' and pipeline_logging_id = ?",
        scene.last_run()["pipeline_logging_id"],
    )
    return row


def failed(scene: Scene, **environ: str) -> None:
    """One run that fails, and whose own failure is as it should be, whatever its mail does."""
    done = scene.run(at=FAILS, **environ)
    assert done.returncode == 1, done.stderr
    assert document(done).get("status") == "FAILED", (done.stdout, done.stderr)
    assert document(done)["error"].startswith(ERROR)
    assert scene.last_run()["status"] == "FAILED"
    assert scene.last_run()["error_message"].startswith(ERROR)


def any_command(scene: Scene, **environ: str) -> "subprocess.CompletedProcess[str]":
    """Any later command about the tenant."""
    return scene.call("quota", "--tenant", "acme", **environ)


def make_due(scene: Scene, minutes: int = 0) -> None:
    ago = timedelta(minutes=minutes, seconds=1)
    scene.sql("update acme.x_meta_alerts set next_attempt_at = ?", datetime.now(UTC) - ago)


def make_older(scene: Scene, by: timedelta) -> None:
    """Every alert was raised so much earlier."""
    for alert_id, created_at in scene.sql("select alert_id, created_at from acme.x_meta_alerts"):
        scene.sql(
            "update acme.x_meta_alerts set created_at = ? where alert_id = ?",
            *(created_at - by, alert_id),
        )


@pytest.mark.heavy
def test_a_failure_is_reported_with_all_that_is_needed_and_so_is_its_end(
    scene: Scene, inbox: Inbox
) -> None:
    scene.export(cost=100, rows=3, rate=-1)  # no rate is below zero: a test will fail
    run = scene.run(**to(inbox))
    assert run.returncode == 1
    failing = "rate_is_positive_and_1_for_usd failed for 3 rows ("
    (envelope,) = inbox.mails
    assert envelope.rcpt_tos == ["admin@acme.example", "ops@ours.example", "oncall@ours.example"]
    mail = read(envelope)
    assert mail["Subject"] == SUBJECT
    run_id = scene.last_run()["pipeline_logging_id"]
    for kind in ("plain", "html"):
        part = mail.get_body((kind,))
        assert part is not None
        words = part.get_content()
        for needed in (
            run_id,
            str(DAY),
            "model billing_cost_daily",
            f"billing_cost_daily was not published: {failing}",
            "Nothing is published for these dates.",
            f"runner status {run_id} --tenant acme",
            f"runner run --tenant acme --date {DAY}",
            "-1.0",  # of a sample row
        ):
            assert needed in words, f"{needed} is not in the {kind} part:\n{words}"
        assert "Got " not in words and "<failures>" not in words
    text = mail.get_body(("plain",))
    listed = text.get_content().split("Failed expectations")[1] if text else ""
    assert f"  billing_cost_daily: {failing}" in listed, "the expectation with its count"
    html = mail.get_body(("html",))
    assert html and "Acme &amp; Sons" in html.get_content(), "escaped"
    assert mail_step(scene) == ("COMPLETED", None)
    assert alerts(scene) == [("failure", "SENT", 1, None)]

    scene.export(cost=100, rows=4)
    assert scene.run(**to(inbox)).returncode == 0
    assert subjects(inbox) == [SUBJECT, RECOVERED]
    assert inbox.mails[1].rcpt_tos == inbox.mails[0].rcpt_tos
    # A second success after the same failure raises no second alert.
    (found,) = scene.context.store.read(
        runs_sql.RUN.format(tenant="acme"), run_id=scene.last_run()["pipeline_logging_id"]
    )
    other_id = "00000000-0000-0000-0000-000000000000"
    again = replace(run_from_row(found), id=other_id, status="COMPLETED")
    template = templates.load(again.template)
    contact = Contact("a@b.example", "Acme")
    for alert in outbox.raised(scene.settings, template, again, Outcome(True, None), contact):
        statements = spooled.texts("acme", alert.named)
        scene.context.store.write(*statements, now=datetime.now(UTC), **alert.values)
    assert [kind for kind, *_ in alerts(scene)] == ["failure", "recovery"], (
        "good news is reported once"
    )
    assert scene.bill() == Bill((4, Decimal(100)), (4, Decimal(100)))
    # What fails again after good news is news.
    scene.export(cost=100, rows=3, rate=-1)
    assert scene.run(**to(inbox)).returncode == 1
    assert subjects(inbox) == [SUBJECT, RECOVERED, SUBJECT]


def test_two_commands_that_deliver_at_once_send_one_mail(scene: Scene, inbox: Inbox) -> None:
    failed(scene, **{**to(inbox), "SMTP_PORT": str(free_port())})
    make_due(scene)
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: any_command(scene, **to(inbox)), range(4)))
    assert [one.returncode for one in done] == [0] * 4
    assert subjects(inbox) == [SUBJECT]
    assert alerts(scene) == [("failure", "SENT", 2, None)]


def test_a_server_that_is_down_is_recorded_and_a_later_command_delivers(
    scene: Scene, inbox: Inbox
) -> None:
    failed(scene, **{**to(inbox), "SMTP_PORT": str(free_port())})
    ((_, status, attempts, error),) = alerts(scene)
    assert (status, attempts) == ("PENDING", 1) and "ConnectionRefusedError" in error
    status, reported = mail_step(scene)
    assert (
        status == "FAILED" and "refused" in reported and "a later command tries again" in reported
    )
    assert any_command(scene, **to(inbox)).returncode == 0
    assert subjects(inbox) == [], "not at once again: the pause is not over"
    make_due(scene)
    assert any_command(scene, **to(inbox)).returncode == 0
    assert subjects(inbox) == [SUBJECT]
    assert any_command(scene, **to(inbox)).returncode == 0
    assert subjects(inbox) == [SUBJECT] and alerts(scene) == [("failure", "SENT", 2, None)]


def test_a_mail_that_went_later_is_a_completed_step(scene: Scene, inbox: Inbox) -> None:
    failed(scene, **{**to(inbox), "SMTP_PORT": str(free_port())})
    make_due(scene)
    any_command(scene, **to(inbox))
    assert subjects(inbox) == [SUBJECT]
    assert mail_step(scene)[0] == "COMPLETED"


def test_a_server_that_stays_down_is_given_up_after_three_days(scene: Scene, inbox: Inbox) -> None:
    unreachable = {**to(inbox), "SMTP_PORT": str(free_port())}
    failed(scene, **unreachable)
    make_due(scene)
    make_older(scene, timedelta(days=4))
    assert any_command(scene, **unreachable).returncode == 0, "the command itself is not disturbed"
    ((_, status, _, _),) = alerts(scene)
    assert status == "ABANDONED"


@contextlib.contextmanager
def silent() -> Iterator[int]:
    """A server that takes the connection and never answers; its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_server_that_never_answers_holds_a_run_up_no_longer_than_the_timeout(
    scene: Scene, inbox: Inbox
) -> None:
    with silent() as port:
        began = time.monotonic()
        failed(scene, **to(inbox, SMTP_PORT=str(port), SMTP_TIMEOUT_SECONDS="1"))
        assert time.monotonic() - began < 15
    ((_, status, _, error),) = alerts(scene)
    assert status == "PENDING" and "timed out" in error
    make_due(scene)
    any_command(scene, **to(inbox))
    assert subjects(inbox) == [SUBJECT]


def test_a_server_without_starttls_gets_no_mail_in_the_clear(scene: Scene, inbox: Inbox) -> None:
    failed(scene, **to(inbox, SMTP_STARTTLS="1"))
    assert subjects(inbox) == []
    ((_, status, _, error),) = alerts(scene)
    assert status == "PENDING" and "STARTTLS" in error


def test_one_refused_recipient_is_recorded_and_the_others_have_the_mail(
    scene: Scene, inbox: Inbox
) -> None:
    inbox.refuses.add("ops@ours.example")
    failed(scene, **to(inbox))
    assert [envelope.rcpt_tos for envelope in inbox.mails] == [
        ["admin@acme.example", "oncall@ours.example"]
    ]
    ((_, status, _, error),) = alerts(scene)
    assert status == "SENT" and error == "refused by the mail server: ops@ours.example"
    assert mail_step(scene) == ("COMPLETED", error)
    make_due(scene)
    any_command(scene, **to(inbox))
    assert len(inbox.mails) == 1, "who has it does not get it again"


def test_a_mail_that_everybody_is_refused_waits(scene: Scene, inbox: Inbox) -> None:
    inbox.refuses |= {"admin@acme.example", "ops@ours.example", "oncall@ours.example"}
    failed(scene, **to(inbox))
    ((_, status, _, error),) = alerts(scene)
    assert status == "PENDING" and "no such mailbox" in error
    inbox.refuses.clear()
    make_due(scene)
    any_command(scene, **to(inbox))
    assert subjects(inbox) == [SUBJECT]


def test_the_same_failure_within_a_day_is_reported_once(scene: Scene, inbox: Inbox) -> None:
    failed(scene, **to(inbox))
    failed(scene, **to(inbox))
    assert subjects(inbox) == [SUBJECT]
    assert [status for _, status, *_ in alerts(scene)] == ["SENT", "SUPPRESSED"]
    assert mail_step(scene) == ("SKIPPED", "reported already within the quiet hours")
    # Another date is the same failure, too; another error is not.
    other = scene.call("run", "--tenant", "acme", "--date", "2024-11-02", at=FAILS, **to(inbox))
    assert other.returncode == 1 and subjects(inbox) == [SUBJECT]
    scene.run(at="timeout:0.0001", **to(inbox))
    assert scene.last_run()["error_message"].startswith("timed out")
    assert subjects(inbox) == [SUBJECT, SUBJECT]
    # A day later it is reported again.
    make_older(scene, timedelta(hours=25))
    failed(scene, **to(inbox))
    assert subjects(inbox) == [SUBJECT] * 3


def test_the_quiet_hours_can_be_set(scene: Scene, inbox: Inbox) -> None:
    failed(scene, **to(inbox, ALERT_QUIET_HOURS="0"))
    failed(scene, **to(inbox, ALERT_QUIET_HOURS="0"))
    assert subjects(inbox) == [SUBJECT] * 2
    make_older(scene, timedelta(hours=30))
    failed(scene, **to(inbox, ALERT_QUIET_HOURS="48"))
    assert subjects(inbox) == [SUBJECT] * 2


def test_a_run_killed_before_its_mail_is_reported_by_the_next_command(
    scene: Scene, inbox: Inbox
) -> None:
    assert scene.run(at=f"{FAILS},close:finish", **to(inbox)).returncode == -9
    assert subjects(inbox) == [] and scene.last_run()["status"] == "FAILED"
    any_command(scene, **to(inbox))
    any_command(scene, **to(inbox))
    assert subjects(inbox) == [SUBJECT]


def test_a_run_killed_before_its_mail_leaves_no_step_at_work(scene: Scene, inbox: Inbox) -> None:
    assert scene.run(at=f"{FAILS},close:finish", **to(inbox)).returncode == -9
    any_command(scene, **to(inbox))
    assert scene.hanging() == []


@pytest.mark.parametrize(("point", "before"), [("close:alert", 0), ("commit:sent", 1)])
def test_a_sender_killed_in_the_act_is_taken_for_dead_after_ten_minutes(
    scene: Scene, inbox: Inbox, point: str, before: int
) -> None:
    """Killed after the mail went and before that was written: better twice than never."""
    assert scene.run(at=f"{FAILS},{point}", **to(inbox)).returncode == -9
    assert len(inbox.mails) == before
    any_command(scene, **to(inbox))
    assert len(inbox.mails) == before, "it may still be at it"
    make_due(scene, minutes=11)
    any_command(scene, **to(inbox))
    assert len(inbox.mails) == before + 1
    assert alerts(scene)[0][:2] == ("failure", "SENT")


def test_a_run_that_died_without_a_record_is_reported_by_the_command_that_closes_it(
    scene: Scene, inbox: Inbox
) -> None:
    assert scene.run(at="after:runner.control.turns.start", **to(inbox)).returncode == -9
    any_command(scene, **to(inbox))
    assert scene.last_run()["status"] == "FAILED"
    assert subjects(inbox) == [SUBJECT]
    assert readers_see(inbox.mails[0]).startswith(
        "What this run published before it ended was not recorded"
    )


def restore(scene: Scene) -> None:
    """Bring the control tables back that `lost:` took away."""
    scene.path("control").with_suffix(".kept").replace(scene.path("control"))


def test_the_mail_goes_when_the_warehouse_is_down_at_the_end(scene: Scene, inbox: Inbox) -> None:
    done = scene.run(at=f"{FAILS},lost:runner.orchestration.alerts.raised", **to(inbox))
    assert done.returncode == 4
    assert "was saved in" in done.stderr and "the next command writes it" in done.stderr
    assert subjects(inbox) == [SUBJECT]
    assert inbox.mails[0].rcpt_tos[0] == "admin@acme.example"
    restore(scene)
    assert scene.last_run()["status"] == "RUNNING", "as no process could record its end"
    any_command(scene, **to(inbox))
    assert scene.last_run()["status"] == "FAILED"
    assert scene.last_run()["error_message"].startswith(ERROR), "its own error, no lease's"
    assert len(alerts(scene)) == 1


def test_the_admin_is_mailed_even_when_the_warehouse_went_down_while_dbt_ran(
    scene: Scene, inbox: Inbox
) -> None:
    done = scene.run(at=f"{FAILS},lost:runner.control.turns.start", **to(inbox))
    assert done.returncode == 4 and subjects(inbox) == [SUBJECT], "to ALERT_TO, at least"
    restore(scene)
    assert "admin@acme.example" in inbox.mails[0].rcpt_tos
    assert readers_see(inbox.mails[0]).startswith("What is published could not be read")


def test_a_mail_that_went_while_the_warehouse_was_down_does_not_go_again(
    scene: Scene, inbox: Inbox
) -> None:
    scene.run(at=f"{FAILS},lost:runner.orchestration.alerts.raised", **to(inbox))
    assert subjects(inbox) == [SUBJECT]
    restore(scene)
    any_command(scene, **to(inbox))
    any_command(scene, **to(inbox))
    assert subjects(inbox) == [SUBJECT]


def test_an_invalid_address_does_not_stop_the_mail_to_the_others(
    scene: Scene, inbox: Inbox
) -> None:
    """An older warehouse may hold anything; this one breaks Python's own mail parser."""
    scene.sql("update tenants.tenant_profiles set admin_email = 'a@[.c'")
    failed(scene, **to(inbox))
    (envelope,) = inbox.mails
    assert envelope.rcpt_tos == ["ops@ours.example", "oncall@ours.example"]
    assert alerts(scene)[0][:2] == ("failure", "SENT") and "a@[.c" in alerts(scene)[0][3]
    failed(scene, **to(inbox, ALERT_TO="", ALERT_QUIET_HOURS="0"))
    assert alerts(scene)[1][1] == "PENDING" and "no valid mail address" in alerts(scene)[1][3]


def test_the_mail_names_what_was_at_work_when_dbt_died(scene: Scene, inbox: Inbox) -> None:
    assert scene.run().returncode == 0
    before = scene.last_run()["pipeline_logging_id"]
    assert scene.run(at="child:deleted:billing_cost_daily", **to(inbox)).returncode == 1
    assert scene.run(at="after:runner.control.turns.start", **to(inbox)).returncode == -9
    scene.sql(
        "insert into acme.x_meta_step_logs by name select 's' as step_logging_id,"
        " 'RUNNING' as status, ? as pipeline_logging_id, 'billing_cost_daily' as step_name,"
        " 'model' as step_type, 1 as step_index, ? as start_time",
        *(scene.last_run()["pipeline_logging_id"], datetime.now(UTC)),
    )
    any_command(scene, **to(inbox))
    assert len(inbox.mails) == 2
    assert f"rows of run {before}" in readers_see(inbox.mails[0])
    for envelope in inbox.mails:
        words = read(envelope).get_body(("plain",))
        assert words and "billing_cost_daily" in words.get_content().split("First error")[0]


def test_no_mail_server_is_no_reason_to_fail_twice(scene: Scene) -> None:
    failed(scene)
    ((_, status, _, error),) = alerts(scene)
    assert status == "PENDING" and "SMTP_HOST is not set" in error


def test_a_cancelled_or_refused_run_has_no_alert(scene: Scene, inbox: Inbox) -> None:
    scene.run(at="before:runner.engine.process.Worker.run=TERM", **to(inbox))
    assert scene.last_run()["status"] == "CANCELLED"
    scene.call("tenant", "suspend", "acme")
    refused = scene.call(*RUN, **to(inbox))
    assert refused.returncode == 3
    assert scene.statuses() == ["CANCELLED", "REFUSED"]
    assert subjects(inbox) == [] and alerts(scene) == []
