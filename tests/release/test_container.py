"""The Dockerfile's steps, one by one, as a user without rights in a fresh folder.

No container engine is needed: each instruction is done below a folder, which stands for `/`. The
user namespace makes the process a user who is not root and may not write what has no write bit.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import ROOT

TEXT = (ROOT / "Dockerfile").read_text()
USER = "10001"
# The folders of an image that the Dockerfile names.
TOP = re.compile(r"(?<![\w./])/(opt|srv|data|src|tmp)(?=[/\s;:\"']|$)")


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Each instruction and its arguments, continued lines joined, comments left out."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        if line.strip():
            word, _, rest = line.partition(" ")
            yield word.upper(), rest.strip()


class Image:
    """A folder in the place of `/`, and what the instructions so far have set."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environ = {
            "PATH": f"{Path(sys.executable).resolve().parent}:/usr/bin:/bin",
            "HOME": f"{root}/tmp",
            **{name: os.environ[name] for name in os.environ if name.startswith(("PIP_", "SSL_"))},
        }
        self.cwd, self.user, self.entrypoint = root, "0", []
        (root / "tmp").mkdir(parents=True)

    def below(self, text: str) -> str:
        """The text with its absolute paths below the folder."""
        return TOP.sub(lambda found: f"{self.root}/{found[1]}", text)

    def path(self, text: str) -> Path:
        return Path(self.below(text)) if text.startswith("/") else self.cwd / text

    def sh(self, *words: str, **environ: str) -> "subprocess.CompletedProcess[str]":
        """A command as the user of the container, who is never root."""
        return subprocess.run(
            ["unshare", "--user", f"--map-user={USER}", f"--map-group={USER}", *words],
            cwd=self.cwd,
            env={**self.environ, **environ},
            capture_output=True,
            text=True,
        )

    def do(self, word: str, rest: str, before: Path) -> None:
        """One instruction. `before`: the folder of the stage that COPY --from takes from."""
        if word == "WORKDIR":
            self.cwd = self.path(rest)
            self.cwd.mkdir(parents=True, exist_ok=True)
        elif word == "ENV":
            for name, text in (pair.split("=", 1) for pair in shlex.split(rest)):
                value = self.below(text).replace("$PATH", self.environ["PATH"])
                self.environ[name] = value
        elif word == "COPY":
            words = rest.split()
            flags = [one for one in words if one.startswith("--")]
            *sources, target = [one for one in words if not one.startswith("--")]
            is_from = any(flag.startswith("--from=") for flag in flags)
            for source in sources:
                found = before / source.lstrip("/") if is_from else ROOT / source
                copied = self.path(target)
                if len(sources) > 1 or (found.is_file() and target.endswith("/")):
                    copied = copied / found.name
                copied.parent.mkdir(parents=True, exist_ok=True)
                copy = shutil.copytree if found.is_dir() else shutil.copy
                copy(found, copied, **({"symlinks": True} if found.is_dir() else {}))
        elif word == "RUN":
            done = self.sh("bash", "-euc", self.below(rest))
            assert done.returncode == 0, f"{rest}\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
        elif word == "USER":
            self.user = rest
        elif word == "ENTRYPOINT":
            self.entrypoint = json.loads(rest)
        else:
            assert word in ("ARG", "VOLUME", "CMD"), f"{word} is not known here"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """The last stage, made of the stages before; read-only but for /data and /tmp."""
    root = tmp_path_factory.mktemp("image") / "root"
    before, made = root.with_name("before"), None
    for word, rest in instructions(TEXT):
        if word == "FROM":
            if root.exists():
                # At the same path, since a virtual environment knows where it is.
                root.rename(before)
            made = Image(root)
        elif made is not None:
            made.do(word, rest, before)
    assert made is not None and before.exists()
    for folder in ("opt", "srv"):
        subprocess.run(["chmod", "-R", "a-w", root / folder], check=True)
    root.chmod(0o555)
    yield made
    subprocess.run(["chmod", "-R", "u+w", root], check=True)


def runner(image: Image, *words: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    return image.sh(*image.entrypoint, *words, **environ)


def test_the_image_is_of_a_user_without_rights_and_pinned() -> None:
    found = [*instructions(TEXT)]
    assert ("USER", f"{USER}:{USER}") in found
    froms = [rest for word, rest in found if word == "FROM"]
    assert len(froms) == 2 and all(rest.startswith("python:${PYTHON}") for rest in froms)
    (base,) = [rest for word, rest in found if word == "ARG"]
    assert re.fullmatch(r"PYTHON=3\.\d+\.\d+-slim-\w+(@sha256:[0-9a-f]{64})?", base)
    installs = [
        rest for word, rest in found if word == "RUN" for _ in re.findall("pip install", rest)
    ]
    assert all("--require-hashes" in one or "--no-index --no-deps" in one for one in installs)


def test_nothing_can_be_written_but_data_and_tmp(image: Image) -> None:
    for folder in ("opt/runner", "srv/billing/models", "."):
        assert image.sh("touch", str(image.root / folder / "x")).returncode != 0, folder
    for folder in ("data", "tmp"):
        assert image.sh("touch", str(image.root / folder / "x")).returncode == 0, folder
    assert image.sh("id", "-u").stdout.strip() == USER


def test_a_bill_is_loaded_in_a_container(image: Image) -> None:
    """With nothing but the image: the sample's tenant, a run, what it has published, doctor."""
    made = runner(image, "init", "--sample-rows", "2000")
    assert made.returncode == 0, made.stderr
    ran = runner(image, "run", "--tenant", "acme1281", "--date", "2024-11-01", "--json")
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["status"] == "COMPLETED"
    # Standard error is no terminal: every line is for Cloud Logging.
    lines = [json.loads(line) for line in ran.stderr.splitlines()]
    assert lines and all({"time", "severity", "message"} <= line.keys() for line in lines)
    checks = json.loads(runner(image, "doctor", "--json").stdout)["checks"]
    assert [one for one in checks if one["status"] == "fail"] == []
    kept = {path.name for path in (image.root / "data").iterdir()} - {"x"}
    assert kept == {"warehouse", "logs", "target"}


def test_a_warehouse_that_cannot_be_written_is_one_sentence(image: Image) -> None:
    answer = runner(image, "init", WAREHOUSE_DIR=f"{image.root}/opt/warehouse")
    assert answer.returncode == 4 and "Traceback" not in answer.stderr
    assert f"The warehouse folder {image.root}/opt/warehouse cannot be written" in answer.stderr
