"""Templates: what a pipeline builds, how long it may take and who hears when it fails."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.errors import UsageProblem

FOLDER = Path(__file__).parent
DEFAULT = "gcp/cost/cost_billing"
LANDING = "gcp/cost/export_landing"

# The closed list: a template that names another variable is refused when it is loaded.
VARIABLES = frozenset(
    {
        "tenant_id",
        "company_name",
        "admin_email",
        "alert_to",
        "pipeline_id",
        "pipeline_logging_id",
        "date",
        "from_date",
        "to_date",
    }
)
LONGEST_MINUTES = 24 * 60
_NAME = re.compile(r"[a-z0-9_]+/[a-z0-9_]+/[a-z0-9_]+")
_VARIABLE = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True)
class Step:
    """One dbt build; timeout in minutes.

    `selector` builds all, `dates_selector` what is left when the dataset has what is deployed once.
    """

    id: str
    name: str
    selector: str
    dates_selector: str
    timeout_minutes: float


@dataclass(frozen=True)
class Alert:
    """One mail on failure, one when it is over; subjects and recipients may hold variables."""

    id: str
    to: tuple[str, ...]
    subject: str
    recovered_subject: str


@dataclass(frozen=True)
class Template:
    """A template as loaded; texts may hold variables of VARIABLES and no others."""

    name: str
    pipeline_id: str
    description: str
    step: Step
    alerts: tuple[Alert, ...]


def names() -> list[str]:
    """The templates there are, as provider/domain/name."""
    return sorted(
        path.relative_to(FOLDER).with_suffix("").as_posix() for path in FOLDER.rglob("*.yml")
    )


def is_name(name: str) -> bool:
    """Whether it has the shape of a template's name: provider/domain/name."""
    return bool(_NAME.fullmatch(name))


def load(name: str) -> Template:
    """The template of that name.

    Raises UsageProblem when there is none, when it lacks a key, names an unknown variable or has a
    brace that is not of one.
    """
    import yaml

    if not _NAME.fullmatch(name) or name not in names():
        raise UsageProblem(f"There is no pipeline '{name}': use one of {', '.join(names())}.")
    path = FOLDER / f"{name}.yml"
    try:
        document: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        steps = document["steps"]
        if len(steps) != 1:
            raise UsageProblem(
                f"{path} has {len(steps)} steps, not one dbt selector that builds all: mend it."
            )
        minutes = float(steps[0]["timeout_minutes"])
        if not 0 < minutes <= LONGEST_MINUTES:
            raise UsageProblem(
                f"{path} has a timeout of {minutes:g} minutes, not between 0 and"
                f" {LONGEST_MINUTES}: mend it."
            )
        template = Template(
            name=name,
            pipeline_id=str(document["pipeline_id"]),
            description=str(document["description"]).strip(),
            step=Step(
                str(steps[0]["id"]),
                str(steps[0].get("name", steps[0]["id"])),
                str(steps[0]["selector"]),
                str(steps[0].get("dates_selector", steps[0]["selector"])),
                minutes,
            ),
            alerts=tuple(
                Alert(
                    str(alert["id"]),
                    tuple(map(str, alert["to"])),
                    str(alert["subject"]),
                    str(alert.get("recovered_subject", "[RECOVERED] {pipeline_id}")),
                )
                for alert in document.get("on_failure", [])
            ),
        )
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        why = " ".join(f"{type(error).__name__}: {error}".split())
        raise UsageProblem(f"{path} is no template ({why}): mend it.") from None
    texts = [template.pipeline_id, template.description]
    for alert in template.alerts:
        texts += [alert.subject, alert.recovered_subject, *alert.to]
    for unknown in sorted({v for text in texts for v in _VARIABLE.findall(text)} - VARIABLES):
        raise UsageProblem(
            f"{path} uses the variable {{{unknown}}}, which is unknown:"
            f" use one of {', '.join(sorted(VARIABLES))}."
        )
    for text in texts:
        if re.search("[{}]", _VARIABLE.sub("", text)):
            raise UsageProblem(f"{path}: '{text}' has a brace too many or too few: fix it.")
    return template


def fill(text: str, values: Mapping[str, str]) -> str:
    """The text with its variables replaced. Raises KeyError for one without a value."""
    return _VARIABLE.sub(lambda found: values[found.group(1)], text)
