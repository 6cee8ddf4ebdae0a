"""The FinOps Foundation's FOCUS validator: its result for a file, rule by rule."""

import subprocess
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Verdict:
    """Each rule by how the file did: passed, skipped, failure or error."""

    rules: dict[str, str]

    @property
    def failed(self) -> set[str]:
        """Rules that the file broke, and those that could not be judged."""
        return {rule for rule, end in self.rules.items() if end in ("failure", "error")}

    @property
    def passed(self) -> int:
        return Counter(self.rules.values())["passed"]


@dataclass(frozen=True)
class Validator:
    """The validator in an environment of its own."""

    venv: Path

    def judge(self, file: Path, criteria: str | None = None) -> Verdict:
        """The result of FOCUS 1.2 for a file, by the package's rules. Its exit code has no meaning.

        Without `criteria` the conditional columns are left out; with ALL they are judged, too.
        """
        report = file.with_suffix(f".{criteria or 'default'}.xml")
        options = ["--applicability-criteria", criteria] if criteria else []
        # It searches for its currencies below the working folder.
        (packages,) = self.venv.glob("lib/python3*/site-packages")
        done = subprocess.run(
            [
                *(str(self.venv / "bin" / "python"), "-m", "focus_validator.main"),
                *("--data-file", str(file), "--focus-dataset", "CostAndUsage"),
                *("--validate-version", "1.2", "--block-download"),
                *("--output-type", "unittest", "--output-destination", str(report), *options),
            ],
            cwd=packages,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert report.exists(), done.stderr
        rules = {}
        for case in ET.parse(report).getroot().iter("testcase"):
            ends = [end for end in ("failure", "error", "skipped") if case.find(end) is not None]
            rules[case.attrib["name"].split(" :: ")[0]] = ends[0] if ends else "passed"
        return Verdict(rules)
