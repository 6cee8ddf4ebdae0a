"""What a process of dbt v2 told, by its log and its artefacts, in the words of invoke."""

import contextlib
import json
import re
from pathlib import Path
from typing import Any

from runner.invoke import Event, Node, Outcome, moment


class Story:
    """What the log of one process told: its version, the first error of each node, the hooks."""

    def __init__(self) -> None:
        self.version = ""
        self._errors: dict[str, str] = {}
        self._nodes: dict[str, dict[str, Any]] = {}

    def hear(self, line: bytes) -> Event | None:
        """Take in one line of the log; what of it is news for who watches."""
        try:
            return self._take_in(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError):
            return None  # a line of another kind

    def _take_in(self, message: dict[str, Any]) -> Event | None:
        name, data = message["info"]["name"], message["data"]
        node = data.get("node_info") or {}
        if name == "MainReportVersion":
            self.version = data["version"].lstrip("=")
        elif message["info"]["level"] == "error":
            self._errors.setdefault(node.get("unique_id", ""), sentence(message["info"]["msg"]))
        elif name in ("NodeStart", "LogHookStartLine"):
            return _event("started", node)
        elif name in ("NodeFinished", "LogHookEndLine"):
            self._nodes[node["unique_id"]] = node
            return _event("finished", node)
        return None

    def outcome(self, success: bool, folder: Path, with_code: bool) -> Outcome:
        """The end as log and artefacts tell it, in the words that dbt-core would use."""
        declared = _read(folder / "manifest.json").get("nodes", {})
        results = {
            result["unique_id"]: result
            for result in _read(folder / "run_results.json").get("results", [])
        }
        nodes = tuple(
            self._node(told, results.get(unique_id, {}), declared.get(unique_id, {}), with_code)
            for unique_id, told in self._nodes.items()
        )
        first = next((node for node in nodes if node.failed), None)
        error = f"{first.name}: {first.message}" if first else self._errors.get("")
        if not success and error is None:
            error = "dbt failed without saying why: see its log"
        return Outcome(success, None if success else error, nodes)

    def _node(
        self, told: dict[str, Any], result: dict[str, Any], declared: dict[str, Any], code: bool
    ) -> Node:
        unique_id, status = told["unique_id"], told["node_status"]
        if result.get("status") != status:
            result = {}  # of a call that broke, there is one result, which tells of any node
        config, response = declared.get("config", {}), result.get("adapter_response") or {}
        failures, message = result.get("failures"), result.get("message")
        if status in ("fail", "warn") and failures is not None:
            limit = config.get("error_if" if status == "fail" else "warn_if") or "!= 0"
            many = "" if failures == 1 else "s"
            message = f"Got {failures} result{many}, configured to {status} if {limit}"
        elif status == "error":
            told_of_none = self._errors.get("")  # so it tells of hooks
            message = self._errors.get(unique_id) or told_of_none or sentence(message or "")
        return Node(
            unique_id=unique_id,
            name=told["node_name"],
            type=told["resource_type"],
            status=status,
            message=message,
            failures=failures,
            severity=str(config.get("severity") or "").lower(),
            # On DuckDB it says 0, whatever was written.
            rows=response.get("rows_affected") or None,
            bytes_processed=response.get("bytes_processed"),
            bytes_billed=response.get("bytes_billed"),
            job_id=response.get("job_id"),
            started_at=moment(told.get("node_started_at")),
            completed_at=moment(told.get("node_finished_at")),
            compiled_code=declared.get("compiled_code") if code else None,
            materialized=config.get("materialized") or "",
        )


def sentence(text: str) -> str:
    """An error of dbt v2 without what it wraps it in: its kind and place, a stack of addresses."""
    text = re.split(r"\n *(?:\(in |--> |0: )", text, maxsplit=1)[0]
    text = re.sub(r"^\[error\](?: \[[^]]*\])?: ", "", text)
    text = re.sub(r"^Failed to [^:]*? invalid operation: ", "", text)
    text = re.sub(r"^Compilation Error(?: for \S+ from \S+?)?: ", "", text)
    text = re.sub(r"^Database Error in [^\n]*\n", "", text)
    return " ".join(text.split())


def _event(kind: str, node: dict[str, Any]) -> Event:
    status = node["node_status"]
    return Event(kind, node["unique_id"], node["node_name"], node["resource_type"], status)


def _read(path: Path) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        document: dict[str, Any] = json.loads(path.read_bytes())
        return document
    return {}
