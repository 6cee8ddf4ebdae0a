"""The project uses the field's standard words, in code, documents and messages.

A word is found in identifiers too: `is_told` and `toldOnce` have the word `told`.
"""

import re
import subprocess
from pathlib import Path

import pytest
from support import ROOT

# Each word that is not used, as a pattern, and what stands in its place.
WORDS = {
    "told|tells?|telling": "message, detail, result; returns, prints, reports",
    "says?|said|saying|speaks?|spoken": "prints, reports, shows, states",
    "looks?|looked|looking|visits?": "check, read, search; CheckRunner",
    "findings?": "check result, failed expectation, failure",
    "mends?|mended": "fix",
    "whole": "complete, all; of a number: integer",
    "well": "healthy; too",
    "doors?|strangers?": "Authenticator, unknown key",
    "backlogs?|keepers?|tidiers?|chores?": "RunQueue, reconcile loop, maintenance",
    "swept": "SweepResult",
    "alarms?|letters?|untold": "alert, mail content, unreported failure",
    "hears?|heard|hearing": "parse, is notified",
    "forgotten": "expired",
    "moments?": "timestamp, time",
    "spans?": "range",
    "slugs?": "tenant id",
    "nobody|somebody": "no process, another user, the operator",
    "who (asks?|asked|waits?|waited)": "the caller, the waiting command",
}
# Names that are not used, in any part of an identifier.
NAMES = {
    "take_up|takes_up": "dequeue",
    "hand_back|hands_back": "requeue",
    "is_gone": "process_exited, is missing",
    "is_ours": "still_owned, own",
    "alone_with": "exclusive",
    "has_one_writer": "single_writer",
    "seconds_between_looks": "poll_seconds",
    "less_work": "dbt_patches",
    "left_alone": "skipped",
    "must_have": "require",
    "(?<!dates_)not_landed": "dates_not_landed",
    "no_tenant_id": "is not a valid tenant id",
}
# Where a word has its ordinary meaning: what may stand there, and why.
ALLOWED = {
    r"""</?span\b|"span"|\bspan \{""": "HTML's element",
    r"\bbacklog=": "a parameter of Python's sockets",
}
# Written by others, or with the words on purpose.
NOT_OURS = ("LICENSE", "tests/project/test_glossary.py", "dbt_project/schemas/")
SUFFIXES = {
    "",
    ".py",
    ".sql",
    ".yml",
    ".yaml",
    ".md",
    ".toml",
    ".sh",
    ".js",
    ".html",
    ".css",
    ".example",
    ".cron",
    ".service",
    ".timer",
}

FORBIDDEN = re.compile(rf"\b({'|'.join(WORDS)})\b")
FORBIDDEN_NAME = re.compile("|".join(NAMES))


def words_found(line: str) -> list[str]:
    """The words in a line that are not used."""
    for allowed in ALLOWED:
        line = re.sub(allowed, " ", line)
    snake_case = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", line).lower()
    found = [match.group() for match in FORBIDDEN.finditer(snake_case.replace("_", " "))]
    return found + [match.group() for match in FORBIDDEN_NAME.finditer(snake_case)]


def files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("this is not a git checkout: the words are NOT checked")
    names = [name for name in listed.stdout.splitlines() if not name.startswith(NOT_OURS)]
    paths = (ROOT / name for name in names)
    return [path for path in paths if path.suffix in SUFFIXES and path.is_file()]


def test_the_glossarys_words_are_not_used() -> None:
    found = []
    for path in files():
        name = str(path.relative_to(ROOT))
        for number, line in enumerate([name, *path.read_text(encoding="utf-8").splitlines()]):
            found += [f"{name}:{number}: {word}" for word in words_found(line)]
    assert found == [], "see WORDS and NAMES for the standard words"


@pytest.mark.parametrize(
    "line",
    [
        "def test_a_failure_is_told_once() -> None:",
        "    told = json.loads(result.stdout)",
        'class Finding(Exception): """What a check found."""',
        "raise DatesMissing  # nobody has loaded them",
        "The whole date is replaced.",
        "class NotLanded(UsageProblem):",
        "    if process_is_gone(run):",
        "what a command that waits is, and who waits for it",
    ],
)
def test_a_line_with_such_a_word_is_found(line: str) -> None:
    assert words_found(line)


@pytest.mark.parametrize(
    "line",
    [
        "class DatesNotLanded(UsageProblem):",
        "listener = socket.create_server((host, port), backlog=2048)",
        '<span id="costs-note"></span>',
        "a tenant that is lost and gone; the command that reports it",
    ],
)
def test_standard_words_and_ordinary_meanings_are_not(line: str) -> None:
    assert words_found(line) == []


def test_each_exception_is_needed() -> None:
    texts = [path.read_text(encoding="utf-8") for path in files()]
    for allowed in ALLOWED:
        assert any(re.search(allowed, text) for text in texts), allowed
