"""Many claims at the same time: exactly one wins, and limits hold."""

import json
import threading

from control_file import DAY, Control, at_once

from runner.control.runs import Run

CLAIM = """
import json, os, sys, time
from datetime import date
from pathlib import Path
from control_file import request
from runner.control import claim
from runner.context import open_context
from runner.settings import Settings
from support import ROOT

store = open_context(Settings(ROOT, None, dict(os.environ))).store
print("ready", flush=True)
sys.stdin.readline()
day = date.fromisoformat(sys.argv[1])
run = claim.take(store, request(day))
print(json.dumps([run.id, run.status, run.deduplicated]), flush=True)
"""


def raced(control: Control, days: list[str]) -> list[tuple[str, str, bool]]:
    """What processes that claim at the same time get, one for each given day."""
    claimants = at_once(control, CLAIM, [[day] for day in days])
    return [tuple(json.loads(one.communicate(timeout=60)[0])) for one in claimants]


def test_of_processes_that_claim_one_date_exactly_one_gets_it(control: Control) -> None:
    reported = raced(control, ["2024-11-01"] * 4)
    assert [deduplicated for *_, deduplicated in reported].count(False) == 1
    assert len({run_id for run_id, *_ in reported}) == 1, "all get the same run"
    assert control.runs() == [("PENDING", None)]


def test_of_processes_that_race_for_the_last_slot_exactly_one_gets_it(control: Control) -> None:
    control.subscribe(concurrent_limit=1)
    reported = raced(control, [f"2024-11-0{day}" for day in range(1, 5)])
    assert sorted(status for _, status, _ in reported) == ["PENDING"] + ["REFUSED"] * 3
    assert sorted(status for status, _ in control.runs()) == ["PENDING"] + ["REFUSED"] * 3


def test_of_threads_that_claim_one_date_exactly_one_gets_it(control: Control) -> None:
    runs: list[Run] = []
    start = threading.Barrier(6)

    def take() -> None:
        start.wait()
        runs.append(control.take(DAY))

    threads = [threading.Thread(target=take) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(runs) == 6, "no claimant was turned away by an error"
    assert [run.deduplicated for run in runs].count(False) == 1
    assert control.runs() == [("PENDING", None)]
