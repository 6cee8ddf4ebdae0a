"""What the machine gives a run, looked at for `runner doctor`: packages, templates, disk, mail."""

import contextlib
import re
import shlex
import shutil
import smtplib
import socket
import ssl
import stat
import sys
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

from runner import mailing
from runner.context import Context
from runner.control import spool, tenants
from runner.doctor.check import FAIL, OK, WARN, Finding, quoted, remedy_for
from runner.errors import UsageProblem, WarehouseUnreachable
from runner.orchestration import letters
from runner.pipelines import templates as pipeline_templates
from runner.settings import Settings

EXPORT_HOST = "export SMTP_HOST=smtp.example.com SMTP_PORT=587 SMTP_STARTTLS=1"
EXPORT_TO = "export ALERT_TO=ops@example.com"
LITTLE_SPACE, NO_SPACE = 5e9, 5e8


def versions(settings: Settings) -> Finding:
    """Python and the packages are those that pyproject.toml asks for; none is imported."""
    import tomllib
    from importlib import metadata

    from packaging.requirements import Requirement

    text = (settings.project_dir / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)["project"]
    found: list[tuple[str, Requirement]] = []
    wrong: list[tuple[str, Requirement]] = []
    for line in (f"Python{project['requires-python']}", *project["dependencies"]):
        wanted = Requirement(line)
        version = ".".join(map(str, sys.version_info[:3]))
        try:
            version = version if wanted.name == "Python" else metadata.version(wanted.name)
        except metadata.PackageNotFoundError:
            version = "none"
        is_right = version != "none" and wanted.specifier.contains(version, prereleases=True)
        (found if is_right else wrong).append((f"{wanted.name} {version}", wanted))
    if not wrong:
        return OK, ", ".join(name for name, _ in found), None
    told = "; ".join(f"{name}, wanted {wanted.specifier}" for name, wanted in wrong)
    if wrong[0][1].name == "Python":
        return FAIL, told, "python3.12 -m venv .venv && .venv/bin/pip install -e ."
    packages = shlex.join(str(wanted) for _, wanted in wrong)
    return FAIL, told, f"{quoted(sys.executable)} -m pip install {packages}"


def templates(settings: Settings) -> Finding:
    """Every template loads, its texts substitute, and dbt has its selector."""
    import yaml

    document = yaml.safe_load((settings.project_dir / "selectors.yml").read_text(encoding="utf-8"))
    selectors = {selector["name"] for selector in document["selectors"]}
    folder = quoted(pipeline_templates.FOLDER)
    if pipeline_templates.DEFAULT not in pipeline_templates.names():
        told = f"the template {pipeline_templates.DEFAULT} is not in {folder}"
        return FAIL, told, f"git -C {quoted(settings.project_dir)} checkout -- {folder}"
    blank = dict.fromkeys(pipeline_templates.VARIABLES, "")
    for name in pipeline_templates.names():
        try:
            template = pipeline_templates.load(name)
            texts = [template.pipeline_id, template.description]
            for alert in template.alerts:
                texts += [alert.subject, alert.recovered_subject, *alert.to]
            for text in texts:
                if re.search("[{}]", pipeline_templates.fill(text, blank)):
                    raise UsageProblem(f"{name}: '{text}' has a brace too many or too few.")
            for selector in (template.step.selector, template.step.dates_selector):
                if selector not in selectors:
                    raise UsageProblem(f"{name}: selectors.yml has no '{selector}'.")
        except UsageProblem as error:
            return FAIL, error.message, f"${{EDITOR:-vi}} {folder}/{name}.yml"
    return OK, ", ".join(pipeline_templates.names()), None


def unwritten(settings: Settings) -> Finding:
    """Nothing waits on disk to be written, and nothing of it is damaged or put there by others."""
    folder = spool.folder(settings)
    for path in spool.waiting(settings):
        if why := spool.not_ours(path.lstat()):
            return FAIL, f"{path} is refused: {why}", f"rm -i {quoted(path)}"
    if damaged := sorted(folder.glob("*.damaged")):
        names = shlex.join(map(str, damaged))
        return FAIL, f"{len(damaged)} damaged in {folder}", f"cat {names}; rm -i {names}"
    if waiting := spool.waiting(settings):
        return WARN, f"{len(waiting)} wait to be written in {folder}", "runner tenant list"
    return OK, "nothing waits", None


def privacy(*folders: Path) -> Finding:
    """No other user of this machine may read what commands left there, or replace it."""
    for folder in (one for one in folders if _is_open(one)):
        # A folder that lets nobody in needs no look inside.
        is_writable = folder.stat().st_mode & 0o022
        wide = folder if is_writable else next(filter(_is_open, folder.rglob("*")), None)
        if wide:
            mode = stat.S_IMODE(wide.stat().st_mode)
            return WARN, f"others may use {wide} (mode {mode:o})", f"chmod -R go= {quoted(folder)}"
    return OK, "nobody else may read the warehouse and the logs", None


def _is_open(path: Path) -> bool:
    """Whether its mode lets other users in; not for a link, which has none, or what is gone."""
    with contextlib.suppress(OSError):
        mode = path.lstat().st_mode
        return not stat.S_ISLNK(mode) and bool(mode & 0o077)
    return False


def knock(settings: Settings) -> None:
    """Raises WarehouseUnreachable at once where BigQuery's client would try for ten minutes."""
    named = settings.target({"tenant_id": "none"}).fields.get("api_endpoint")
    url = urlsplit(named or "https://bigquery.googleapis.com")
    if getproxies().get(url.scheme):
        return
    try:
        port = url.port or (443 if url.scheme == "https" else 80)
        socket.create_connection((url.hostname, port), timeout=10).close()
    except OSError as error:
        raise WarehouseUnreachable(f"{url.geturl()} does not take a call ({error}).") from error


def room(settings: Settings) -> Finding:
    """There is room for the logs and, locally, for the warehouse."""
    free = {}
    local = [settings.warehouse_dir] if settings.warehouse_dir.is_dir() else []
    for folder in (settings.log_dir, *local):
        there = next(path for path in (folder, *folder.parents) if path.is_dir())
        free[shutil.disk_usage(there).free] = folder
    least, folder = min(free.items())
    status = FAIL if least < NO_SPACE else WARN if least < LITTLE_SPACE else OK
    remedy = None if status == OK else f"du -xh {quoted(folder)} | sort -h | tail"
    return status, f"{least / 1e9:.1f} GB free in {folder}", remedy


def mail_server(settings: Settings) -> Finding:
    """The mail server takes us, encrypted and logged in as the settings say. Nothing is sent."""
    mail = settings.mail
    if not mail.host:
        return WARN, "SMTP_HOST is not set: no alert goes", EXPORT_HOST
    place = f"{mail.host}:{mail.port}"
    try:
        with smtplib.SMTP(mail.host, mail.port, timeout=mail.timeout_seconds) as server:
            if mail.starttls:
                server.starttls(context=ssl.create_default_context())
            if mail.user:
                server.login(mail.user, mail.password)
            server.noop()
    except OSError as error:  # smtplib's and ssl's own are OSErrors, too
        told = f"{place}: {type(error).__name__}: {error}"
        remedy = remedy_for(
            told,
            ("Authentication", "export SMTP_USER=... SMTP_PASSWORD=..."),
            ("SSL|STARTTLS", f"curl -v --ssl-reqd smtp://{place}"),
            ("", f"nc -vz {mail.host} {mail.port}"),
        )
        return FAIL, told, remedy
    if not mail.alert_to:
        told = f"{place} takes mail; ALERT_TO is not set: alerts go to the tenant's admin alone"
        return WARN, told, EXPORT_TO
    return OK, f"{place} takes mail; alerts go to {', '.join(mail.alert_to)}", None


def test_letter(settings: Settings, context: Context | None, tenant: str | None) -> Finding:
    """A test mail goes to everyone whom a failure would be mailed to."""
    admin = tenants.find(context.store, tenant).admin_email if context and tenant else ""
    to = tuple(dict.fromkeys(address for address in (*settings.mail.alert_to, admin) if address))
    if not settings.mail.host:
        return FAIL, "SMTP_HOST is not set: no mail can go", EXPORT_HOST
    if not to:
        return FAIL, "there is nobody to send it to: ALERT_TO is not set", EXPORT_TO
    text = "A test of `runner doctor --send-mail`: nothing has failed."
    letter = letters.Letter(to, "[TEST] runner doctor", text, f"<p>{text}</p>")
    message = letters.message(letter, settings.mail.sender, "doctor")
    try:
        refused = set(mailing.SmtpMailbox(lambda: settings.mail).send(message))
    except smtplib.SMTPRecipientsRefused as error:
        refused = set(error.recipients)
    except (smtplib.SMTPNotSupportedError, UnicodeError):
        refused = {address for address in to if not address.isascii()}
    if not refused:
        return OK, f"sent to {', '.join(to)}", None
    mend = f"runner tenant update {tenant} --admin-email name@example.com"
    remedy = mend if refused == {admin} else EXPORT_TO
    return FAIL, f"the server refuses {', '.join(sorted(refused))}", remedy
