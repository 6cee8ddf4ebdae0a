"""Where a test finds the project, and folders of its own."""

import os
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from few_models import MODELS

from runner.pipelines import templates

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
# What dbt parsed for a tenant is the same in every test of one dbt: tests share it.
DBT_TARGET = ROOT / "target" / f"tests-dbt-{version('dbt-core')}"

LOAD = templates.load


def project_copy(folder: Path) -> Path:
    """A copy of the dbt project there, for a test that changes it."""
    folder.mkdir()
    for name in ("dbt_project.yml", "selectors.yml", "profiles.yml.example"):
        shutil.copy(ROOT / name, folder)
    for name in ("models", "macros", "tests/dbt", "dbt_project"):
        shutil.copytree(ROOT / name, folder / name)
    return folder


def environment_in(folder: Path) -> dict[str, str]:
    """The variables that keep warehouse, profile, logs and artefacts within a folder."""
    profiles = folder / "profiles"
    profiles.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(ROOT / "profiles.yml.example", profiles / "profiles.yml")
    return {
        "WAREHOUSE_DIR": str(folder / "warehouse"),
        "DBT_PROFILES_DIR": str(profiles),
        "RUNNER_PROJECT_DIR": str(ROOT),
        "RUNNER_LOG_DIR": str(folder / "logs"),
        "LOG_FORMAT": "text",
        "RUNNER_TARGET_DIR": str(DBT_TARGET),
        "DBT_LOG_PATH": str(folder / "logs" / "bare"),
        "DBT_TARGET_PATH": str(folder / "target" / "bare"),
    }


@contextmanager
def only(selector: str) -> Iterator[None]:
    """Runs of this process leave the marts out: what such a test checks is the same.

    A selector, or some models of few_models.py. The innermost holds.
    """

    def load_with_selector(name: str) -> templates.Template:
        template = LOAD(name)
        chosen = selector
        if template.step.selector != "cost_billing_run":
            if selector not in MODELS:
                return template
            chosen = "landed"
        dates = re.sub("_run$", "_dates", chosen)
        step = replace(template.step, selector=chosen, dates_selector=dates)
        return replace(template, step=step)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(templates, "load", load_with_selector)
        yield


def shared(name: str) -> Path:
    """A file of the shared folder beside the repository; the test is skipped, aloud, without it."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"{path} is not there: its figures are NOT proved on this machine")
    return path


@dataclass
class Inbox:
    """A mail server in this process. `refuses` are addresses it will not take."""

    port: int
    mails: list[Envelope] = field(default_factory=list)
    refuses: set[str] = field(default_factory=set)

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refuses:
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.mails.append(envelope)
        return "250 OK"


def of_session(factory: pytest.TempPathFactory) -> Path:
    """A folder of this run of pytest, the same in each process of pytest-xdist."""
    own = factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


def free_port() -> int:
    """A port on which no process listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
