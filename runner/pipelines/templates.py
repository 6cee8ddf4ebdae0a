"""Templates: what a pipeline builds, its timeout, and the recipients of its failure mails."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.errors import UsageProblem

FOLDER = Path(__file__).parent
DEFAULT = "gcp/cost/cost_billing"
LANDING = "gcp/cost/export_landing"

# All variables: a template with another one is refused when it is loaded.
VARIABLES = frozenset(
    {
        *("tenant_id", "company_name", "admin_email", "alert_to", "pipeline_id"),
        *("pipeline_logging_id", "date", "from_date", "to_date", "project_dir", "host"),
    }
)
LONGEST_MINUTES = 24 * 60
_NAME = re.compile(r"[a-z0-9_]+/[a-z0-9_]+/[a-z0-9_]+")
_VARIABLE = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True)
class Step:
    """One dbt build; timeout in minutes.

    `selector` builds everything; `dates_selector` only the dated tables, for a dataset in which
    the views, seeds and control tables of this project are deployed.
    """

    id: str
    name: str
    selector: str
    dates_selector: str
    timeout_minutes: float


@dataclass(frozen=True)
class Alert:
    """A mail on failure and one on recovery; subjects and recipients may have variables."""

    id: str
    to: tuple[str, ...]
    subject: str
    recovered_subject: str


@dataclass(frozen=True)
class Template:
    """A loaded template; its texts may have variables of VARIABLES."""

    name: str
    pipeline_id: str
    description: str
    step: Step
    alerts: tuple[Alert, ...]

    def pipeline_of(self, tenant: str) -> str:
        """The pipeline id of the tenant's runs."""
        return fill(self.pipeline_id, {"tenant_id": tenant})


def names() -> list[str]:
    """The names of all templates, as provider/domain/name."""
    return sorted(
        path.relative_to(FOLDER).with_suffix("").as_posix() for path in FOLDER.rglob("*.yml")
    )


def is_name(name: str) -> bool:
    """Whether it has the form of a template's name: provider/domain/name."""
    return bool(_NAME.fullmatch(name))


def load(name: str) -> Template:
    """The template of that name.

    Raises UsageProblem when it does not exist, lacks a key, or has an unknown variable or an
    unbalanced brace.
    """
    import yaml

    if not _NAME.fullmatch(name) or name not in names():
        raise UsageProblem(f"There is no pipeline '{name}': use one of {', '.join(names())}.")
    path = FOLDER / f"{name}.yml"
    try:
        template = _template(name, yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        why = " ".join(f"{type(error).__name__}: {error}".split())
        raise UsageProblem(f"{path} is not a valid template ({why}): fix it.") from None
    texts = [template.pipeline_id, template.description]
    for alert in template.alerts:
        texts += [alert.subject, alert.recovered_subject, *alert.to]
    for unknown in sorted({v for text in texts for v in _VARIABLE.findall(text)} - VARIABLES):
        raise UsageProblem(
            f"{path} has the unknown variable {{{unknown}}}:"
            f" use one of {', '.join(sorted(VARIABLES))}."
        )
    for text in texts:
        if re.search("[{}]", _VARIABLE.sub("", text)):
            raise UsageProblem(f"{path}: '{text}' has an unbalanced brace: fix it.")
    return template


def _template(name: str, document: Any) -> Template:
    """Raises KeyError for a missing key, TypeError or ValueError for an invalid value."""
    if len(document["steps"]) != 1:
        raise ValueError(f"{len(document['steps'])} steps instead of one")
    (step,) = document["steps"]
    minutes = float(step["timeout_minutes"])
    if not 0 < minutes <= LONGEST_MINUTES:
        raise ValueError(f"the timeout of {minutes:g} minutes is not in 0 to {LONGEST_MINUTES}")
    selector = str(step["selector"])
    return Template(
        name=name,
        pipeline_id=str(document["pipeline_id"]),
        description=str(document["description"]).strip(),
        step=Step(
            id=str(step["id"]),
            name=str(step.get("name", step["id"])),
            selector=selector,
            dates_selector=str(step.get("dates_selector", selector)),
            timeout_minutes=minutes,
        ),
        alerts=tuple(
            Alert(
                id=str(alert["id"]),
                to=tuple(map(str, alert["to"])),
                subject=str(alert["subject"]),
                recovered_subject=str(alert.get("recovered_subject", "[RECOVERED] {pipeline_id}")),
            )
            for alert in document.get("on_failure", [])
        ),
    )


def fill(text: str, values: Mapping[str, str]) -> str:
    """The text with its variables replaced. Raises KeyError for one without a value."""
    return _VARIABLE.sub(lambda found: values[found.group(1)], text)
