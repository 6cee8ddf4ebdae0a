"""The settings: the project's folder, the profile's target, the warehouse, the mail server."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner import names
from runner.errors import UsageProblem

if TYPE_CHECKING:
    import jinja2

PROFILE = "gcp_tenant_cost"


@dataclass(frozen=True)
class Target:
    """One output of profiles.yml, rendered; `type` is duckdb or bigquery."""

    name: str
    type: str
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class Mail:
    """The mail server from SMTP_* and ALERT_*; `host` is empty when none is set."""

    host: str
    port: int
    user: str
    password: str
    starttls: bool
    sender: str
    alert_to: tuple[str, ...]
    timeout_seconds: float = 10.0
    quiet_hours: float = 24.0


@dataclass(frozen=True)
class Settings:
    """What every command needs; reads the environment once."""

    project_dir: Path
    target_name: str | None
    environ: Mapping[str, str]

    def _folder(self, name: str, default: str) -> Path:
        """Absolute, so that dbt's working directory does not matter."""
        return Path(self.environ.get(name) or self.project_dir / default).absolute()

    @property
    def profiles_path(self) -> Path:
        return self._folder("DBT_PROFILES_DIR", "") / "profiles.yml"

    @property
    def warehouse_dir(self) -> Path:
        return self._folder("WAREHOUSE_DIR", "warehouse")

    @property
    def log_dir(self) -> Path:
        return self._folder("RUNNER_LOG_DIR", "logs")

    @property
    def dbt_target_dir(self) -> Path:
        return self._folder("RUNNER_TARGET_DIR", "target")

    @property
    def mail(self) -> Mail:
        """Raises UsageProblem for an invalid port, number or recipient."""
        environ = self.environ
        port = environ.get("SMTP_PORT") or "25"
        if not re.fullmatch("[0-9]{1,5}", port) or not 0 < int(port) < 65536:
            raise UsageProblem(f"SMTP_PORT is '{port}': set it to a port, such as 587.")
        recipients = tuple(
            filter(None, re.split(r"\s*[,;]\s*", environ.get("ALERT_TO", "").strip()))
        )
        for address in recipients:
            if not names.EMAIL.fullmatch(address):
                raise UsageProblem(
                    f"ALERT_TO has '{address}', which is not a valid mail address: set it to"
                    " addresses with commas between, such as ops@example.com."
                )
        return Mail(
            host=environ.get("SMTP_HOST", ""),
            port=int(port),
            user=environ.get("SMTP_USER", ""),
            password=environ.get("SMTP_PASSWORD", ""),
            starttls=environ.get("SMTP_STARTTLS", "").lower() in ("1", "true", "yes"),
            sender=environ.get("ALERT_FROM") or "billing-runner@localhost",
            alert_to=recipients,
            timeout_seconds=self.number("SMTP_TIMEOUT_SECONDS", "10"),
            quiet_hours=self.number("ALERT_QUIET_HOURS", "24"),
        )

    def number(self, name: str, default: str) -> float:
        text = self.environ.get(name) or default
        try:
            return float(text)
        except ValueError:
            what = f"{name} is '{text}': set it to a number, such as {default}."
            raise UsageProblem(what) from None

    def require_own_folders(self) -> None:
        """Raises UsageProblem for a folder in which another user could place or replace files.

        dbt runs files of its target folder, and a link in the log folder could lead anywhere.
        """
        for name, folder in (
            ("WAREHOUSE_DIR", self.warehouse_dir),
            ("RUNNER_LOG_DIR", self.log_dir),
            ("RUNNER_TARGET_DIR", self.dbt_target_dir),
        ):
            try:
                found = folder.stat()
            except OSError:  # it is created, or reported as unusable, when it is needed
                continue
            problem = None
            if found.st_uid not in (os.getuid(), 0):
                problem = f"belongs to user {found.st_uid}", "run this as that user"
            elif found.st_mode & 0o002:
                problem = "can be written by every user of this machine", f"run chmod o-w {folder}"
            if problem:
                raise UsageProblem(
                    f"{folder} {problem[0]}, who could place files there that commands execute:"
                    f" {problem[1]}, or name another folder with {name}."
                )

    def environ_as(self, account: str) -> dict[str, str]:
        """The variable by which dbt impersonates the account; if empty, the environment's value.

        Always set, because a process that serves several tenants keeps its environment. Raises
        UsageProblem when profiles.yml does not pass the account on.
        """
        name = "BIGQUERY_IMPERSONATE"
        if not account:
            return {name: self.environ.get(name, "")}
        chosen = {name: account}
        target = replace(self, environ={**self.environ, **chosen}).target({"tenant_id": "none"})
        acts_as = target.fields.get("impersonate_service_account")
        if acts_as != account and not self.environ.get("BIGQUERY_EMULATOR_HOST"):
            raise UsageProblem(
                f"{self.profiles_path}: target '{target.name}' would not act as {account}: give it"
                " the line impersonate_service_account of profiles.yml.example."
            )
        return chosen

    def target(self, dbt_vars: Mapping[str, str] | None = None) -> Target:
        """The chosen output of profiles.yml, rendered as dbt would with these vars.

        Raises UsageProblem when the file is missing, broken, or has no such target.
        """
        path = self.profiles_path
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise UsageProblem(f"{path} does not exist: run `runner init` to make it.") from None
        except (OSError, UnicodeDecodeError) as error:
            raise UsageProblem(f"{path} cannot be read ({error}): fix or remove it.") from None
        profile = _profile(path, text)
        environ = {**self.environ, "WAREHOUSE_DIR": str(self.warehouse_dir)}
        name = self.target_name or _render(path, profile.get("target", "local"), environ, {})
        outputs = profile["outputs"]
        if name not in outputs:
            raise UsageProblem(
                f"{path} has no target '{name}': use --target with one of {', '.join(outputs)}."
            )
        fields = {k: _render(path, v, environ, dbt_vars or {}) for k, v in outputs[name].items()}
        if fields.get("type") not in ("duckdb", "bigquery"):
            raise UsageProblem(
                f"{path}: target '{name}' has type '{fields.get('type')}':"
                " this project runs on duckdb and bigquery."
            )
        return Target(name, fields["type"], fields)


def load(project_dir: str | Path | None, target: str | None) -> Settings:
    """Settings for a project folder: the one named, else the working directory, else the checkout.

    Raises UsageProblem when there is no dbt_project.yml.
    """
    here, checkout = Path.cwd(), Path(__file__).resolve().parent.parent
    found = [one for one in (here, checkout) if os.path.exists(one / "dbt_project.yml")]
    root = Path(project_dir).absolute() if project_dir else [*found, here][0]
    if not os.path.exists(root / "dbt_project.yml"):  # False, too, where it cannot be read
        raise UsageProblem(
            f"{root} has no dbt_project.yml: make a project with `runner init DIR`, or name the"
            " folder of one with --project-dir."
        )
    return Settings(root, target or os.environ.get("DBT_TARGET") or None, dict(os.environ))


@lru_cache(maxsize=4)
def _profile(path: Path, text: str) -> dict[str, Any]:
    import yaml

    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise UsageProblem(
            f"{path}{where} is not valid YAML: fix it, or remove it and run `runner init`."
        ) from None
    profile = document.get(PROFILE) if isinstance(document, dict) else None
    if not isinstance(profile, dict) or not isinstance(profile.get("outputs"), dict):
        raise UsageProblem(
            f"{path} has no profile '{PROFILE}' with outputs: see profiles.yml.example."
        )
    for name, output in profile["outputs"].items():
        if not isinstance(output, dict):
            raise UsageProblem(f"{path}: target '{name}' is empty: see profiles.yml.example.")
    return profile


def _render(path: Path, value: Any, environ: Mapping[str, str], dbt_vars: Mapping[str, str]) -> Any:
    """A profile's value as dbt renders it: Jinja with env_var and var."""
    if not isinstance(value, str) or "{{" not in value:
        return value
    import jinja2

    missing = object()

    def lookup(source: Mapping[str, str], kind: str, name: str, default: Any = missing) -> Any:
        if name not in source and default is missing:
            raise UsageProblem(f"{path} wants the {kind} {name}, which is not set: set it.")
        return source.get(name, default)

    try:
        rendered = _compiled(value).render(
            env_var=lambda name, *default: lookup(environ, "environment variable", name, *default),
            var=lambda name, *default: lookup(dbt_vars, "dbt var", name, *default),
        )
        return None if rendered == "None" else rendered
    except (jinja2.TemplateError, ArithmeticError, TypeError, ValueError) as error:
        raise UsageProblem(f"{path}: '{value}' cannot be rendered ({error}): fix it.") from None


@lru_cache(maxsize=64)
def _compiled(text: str) -> "jinja2.Template":
    import jinja2

    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
    for name in ("as_number", "as_native", "as_bool", "as_text"):
        environment.filters[name] = lambda text: text
    return environment.from_string(text)
