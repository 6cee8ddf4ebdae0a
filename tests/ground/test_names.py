"""Names and dates from outside: what may pass, and the one sentence that bad ones get."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import ROOT

from runner import names
from runner.errors import UsageProblem


def refusal(check, text: str) -> str:
    with pytest.raises(UsageProblem) as caught:
        check(text)
    assert caught.value.exit_code == 2
    message = caught.value.message
    assert "\n" not in message.replace(repr(text)[1:-1], "").replace(text, "")
    assert re.search(r": .+\.$", message, re.DOTALL), f"no remedy after a colon: {message}"
    return message


@pytest.mark.parametrize("text", ["a", "acme1281", "a_b", "x" * 63])
def test_a_valid_tenant_id_is_accepted(text: str) -> None:
    assert names.tenant_id(text) == text


@pytest.mark.parametrize(
    "text",
    ["", "A", "1a", "_a", "a-b", "a b", "a.b", "a;drop", "ä", "a\n", "../a", "a'", "x" * 64, "a`"],
)
def test_an_invalid_tenant_id_is_refused(text: str) -> None:
    assert "is not a valid tenant id" in refusal(names.tenant_id, text)


@pytest.mark.parametrize("text", ["tenants", "control", "main", "information_schema"])
def test_a_name_the_warehouse_uses_itself_is_refused(text: str) -> None:
    assert "reserved" in refusal(names.tenant_id, text)


@given(st.text(max_size=80))
@settings(database=None, deadline=None)
def test_whatever_passes_as_a_tenant_id_needs_no_quotes(text: str) -> None:
    try:
        passed = names.tenant_id(text)
    except UsageProblem:
        return
    assert re.fullmatch("[a-z][a-z0-9_]{0,62}", passed, re.ASCII) and len(passed) <= 63


@pytest.mark.parametrize("text", ["2024-11-01", "2024-02-29", "2000-01-01"])
def test_a_past_day_is_a_usage_date(text: str) -> None:
    assert names.usage_date(text).isoformat() == text


def test_today_in_utc_is_a_usage_date() -> None:
    today = datetime.now(UTC).date()
    assert names.usage_date(today.isoformat()) == today


@pytest.mark.parametrize(
    "text",
    [
        *("", "yesterday", "2024-13-01", "2023-02-29", "01-11-2024", "2024/11/01", "20241101"),
        *("2024-11-01 00:00", "2024-11-01T00:00:00Z", " 2024-11-01", "2024-11-01\n", "{date}"),
        *("2024-11-01'; drop table x", "0000-00-00", "-1"),
    ],
)
def test_what_is_no_date_is_answered_with_how_to_write_one(text: str) -> None:
    assert "YYYY-MM-DD" in refusal(names.usage_date, text)


@pytest.mark.parametrize("text", ["2024-11-1", "2024-1-01", "\u0662\u0660\u0662\u0664-11-01"])
def test_a_date_in_another_form_is_refused_with_the_right_one(text: str) -> None:
    assert re.search(r"such as 2024-\d\d-01", refusal(names.usage_date, text))


@pytest.mark.parametrize("text", ["0001-01-01", "1999-12-31"])
def test_a_date_before_there_was_a_cloud_is_refused(text: str) -> None:
    assert "2000-01-01" in refusal(names.usage_date, text)


def test_a_text_that_is_no_utf8_is_refused_without_being_echoed() -> None:
    assert refusal(names.line, "a\udcff").isascii()


def test_a_line_of_text_may_be_anything_but_what_moves_the_cursor() -> None:
    for text in ("", "é", "Müller & Söhne; 'drop'", "株式会社", "\U0001f468\u200d\U0001f469"):
        assert names.line(text) == text
    refused = [*range(0x20), *range(0x7F, 0xA0), *range(0x2028, 0x202F), *range(0x2066, 0x206A)]
    for code in refused:
        reported = refusal(names.line, f"a{chr(code)}b")
        assert reported.isascii() and reported.isprintable() and "control character" in reported


def test_a_future_date_is_refused_with_todays() -> None:
    today = datetime.now(UTC).date()
    message = refusal(names.usage_date, (today + timedelta(days=1)).isoformat())
    assert "future" in message and today.isoformat() in message


@pytest.mark.parametrize("text", ["01ECB7-6EE0BA-7357F1", "000000-000000-000000"])
def test_a_billing_account_is_written_as_the_export_does(text: str) -> None:
    assert names.billing_account(text) == text


@pytest.mark.parametrize(
    "text", ["", "01ecb7-6ee0ba-7357f1", "01ECB7_6EE0BA_7357F1", "01ECB7-6EE0BA", "' or 1=1 --"]
)
def test_what_is_no_billing_account_is_refused(text: str) -> None:
    assert "01ECB7-6EE0BA-7357F1" in refusal(names.billing_account, text)


@pytest.mark.parametrize("text", ["acme-prod", "example.com:acme-prod", "abcdef"])
def test_a_project_id_may_have_a_domain(text: str) -> None:
    assert names.project(text) == text


@pytest.mark.parametrize("text", ["", "Acme Prod", "123456789012", "acme-", "a'b", "abc"])
def test_what_is_no_project_id_is_refused(text: str) -> None:
    assert "acme-prod" in refusal(names.project, text)


@pytest.mark.parametrize("text", ["ops@example.com", "a.b+c@sub.example.org"])
def test_a_mail_address_passes(text: str) -> None:
    assert names.email(text) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "ops", "ops@", "@example.com", "a@b", "a@b.co, c@d.co", "a@b.co\nBcc: x@y.co"),
        *("a@[.c", "a@b..c", "a:b@c.d", "a@b.c(", ".a@b.co", "a@-b.co", "\u00e9@ex.com"),
    ],
)
def test_what_is_no_single_mail_address_is_refused(text: str) -> None:
    assert "name@example.com" in refusal(names.email, text)


def test_the_macro_and_the_runner_agree_on_what_a_tenant_id_is() -> None:
    macro = (ROOT / "macros" / "control" / "tenant_id.sql").read_text()
    assert f"'{names.TENANT.pattern}'" in macro
