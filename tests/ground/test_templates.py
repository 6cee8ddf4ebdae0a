"""Templates: the closed list of variables, and every broken one reported when it is loaded."""

from pathlib import Path

import pytest

from runner.errors import UsageProblem
from runner.pipelines import templates

GOOD = """
pipeline_id: "{tenant_id}-mine"
description: "What {tenant_id} spent on {date}."
steps:
  - {id: build, name: Build, selector: cost_billing, timeout_minutes: 5}
on_failure:
  - {id: notify, to: ["{admin_email}"], subject: "Failed - {tenant_id}"}
"""


@pytest.fixture
def template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Writes a template and loads it."""
    monkeypatch.setattr(templates, "FOLDER", tmp_path / "pipelines")
    path = tmp_path / "pipelines" / "gcp" / "cost" / "mine.yml"
    path.parent.mkdir(parents=True)

    def load(text: str) -> templates.Template:
        path.write_text(text)
        return templates.load("gcp/cost/mine")

    return load


def test_the_default_template_is_the_predecessors() -> None:
    found = templates.load(templates.DEFAULT)
    assert templates.fill(found.pipeline_id, {"tenant_id": "acme"}) == "acme-gcp-cost-billing"
    assert (found.step.id, found.step.timeout_minutes) == ("extract_billing_costs", 20)
    (alert,) = found.alerts
    assert alert.id == "notify_on_failure"
    subject = templates.fill(alert.subject, {"tenant_id": "acme"})
    assert subject == "[ALERT] Cost Billing Pipeline Failed - acme"


def test_every_template_that_ships_can_be_loaded() -> None:
    assert templates.DEFAULT in templates.names()
    for name in templates.names():
        assert templates.load(name).description


@pytest.mark.parametrize(
    "name",
    [
        *("", "cost_billing", "gcp/cost/nope", "gcp/cost", "/etc/passwd", "gcp/cost/cost_billing/"),
        *("../gcp/cost", "../../etc/passwd", "gcp/cost/../cost/cost_billing", "gcp/../gcp/cost"),
        *("gcp/cost/cost_billing.yml", "GCP/cost/cost_billing", "gcp/cost/cost_billing\n"),
        *("gcp//cost_billing", "{tenant_id}/cost/cost_billing", "gcp/cost/%2e%2e"),
    ],
)
def test_a_name_that_is_no_template_is_answered_with_those_there_are(name: str) -> None:
    with pytest.raises(UsageProblem, match=f"use one of .*{templates.DEFAULT}"):
        templates.load(name)


def test_a_template_is_read_complete(template) -> None:
    found = template(GOOD)
    assert (found.step.selector, found.step.timeout_minutes) == ("cost_billing", 5)
    assert found.alerts[0].to == ("{admin_email}",)


@pytest.mark.parametrize("key", ["pipeline_id", "description", "steps"])
def test_a_missing_key_is_named(template, key: str) -> None:
    lines = GOOD.strip().splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith(key))
    end = start + (2 if key == "steps" else 1)
    with pytest.raises(UsageProblem, match=rf"mine\.yml.*{key}"):
        template("\n".join(lines[:start] + lines[end:]))


@pytest.mark.parametrize("key", ["id: build", "selector: cost_billing", "timeout_minutes: 5"])
def test_a_step_without_a_key_is_reported_with_the_key(template, key: str) -> None:
    with pytest.raises(UsageProblem, match=key.split(":")[0]):
        template(GOOD.replace(key, "other: 1"))


@pytest.mark.parametrize("where", ["{date}", "{admin_email}", "{tenant_id}-mine"])
def test_an_unknown_variable_is_refused_when_the_template_is_loaded(template, where: str) -> None:
    with pytest.raises(UsageProblem, match=r"unknown variable \{source_table\}.*tenant_id"):
        template(GOOD.replace(where, "{source_table}", 1))


def test_a_brace_that_begins_no_variable_is_refused(template) -> None:
    with pytest.raises(UsageProblem, match="unbalanced brace"):
        template(GOOD.replace("{date}", "{date"))


@pytest.mark.parametrize("variable", ["{}", "{tenant_id!r}", "{tenant_id.__class__}", "{0}"])
def test_a_variable_is_a_name_and_nothing_that_python_would_evaluate(template, variable) -> None:
    with pytest.raises(UsageProblem, match="unknown"):
        template(GOOD.replace("{date}", variable))


@pytest.mark.parametrize(
    "text", ["", "[]", "steps: 3", "steps: [", GOOD.replace("minutes: 5", "minutes: soon")]
)
def test_a_file_that_is_no_template_is_one_sentence(template, text: str) -> None:
    with pytest.raises(UsageProblem, match=r"mine\.yml.*: fix it\.") as caught:
        template(text)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("minutes", ["0", "-5", ".nan", ".inf"])
def test_a_timeout_that_is_none_is_refused(template, minutes: str) -> None:
    with pytest.raises(UsageProblem, match="timeout"):
        template(GOOD.replace("minutes: 5", f"minutes: {minutes}"))


def test_more_than_one_build_step_is_refused(template) -> None:
    with pytest.raises(UsageProblem, match="2 steps"):
        template(
            GOOD.replace(
                "on_failure",
                "  - {id: b, selector: x, timeout_minutes: 1}\non_failure",
            )
        )


def test_variables_are_substituted() -> None:
    filled = templates.fill("{tenant_id} on {date}, {tenant_id}", {"tenant_id": "a", "date": "d"})
    assert filled == "a on d, a"


def test_a_value_is_not_substituted_again() -> None:
    assert templates.fill("{tenant_id}", {"tenant_id": "{date}", "date": "no"}) == "{date}"
