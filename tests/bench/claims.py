"""What a claim costs, side by side with other commits: `claims.py FOLDER...`, a checkout each.

    python tests/bench/claims.py . target/88b007c

Thirty claims of one tenant, each of a date of its own, in a process for each folder, three turns.
Prints CPU and wall time of one claim and the ratio to the last folder.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

CLAIMS, TURNS = 30, 3


def measure(folder: Path) -> dict[str, float]:
    """Milliseconds a claim, in this process, with the code of that checkout."""
    # A commit of before has the helper in tests/runner.
    sys.path[:0] = [str(folder), str(folder / "tests"), str(folder / "tests" / "runner")]
    os.umask(0o077)
    from control_file import DAY, Control, write_control_file
    from support import environment_in

    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        (place / "warehouse").mkdir()
        control = Control(place, environment_in(place))
        write_control_file(control.path)
        control.subscribe(daily_limit=9999, monthly_limit=9999, concurrent_limit=9999)
        control.take(DAY)
        walls = []
        cpu = time.process_time()
        for n in range(1, CLAIMS + 1):
            began = time.perf_counter()
            control.take(DAY + timedelta(days=n))
            walls.append(time.perf_counter() - began)
        cpu = time.process_time() - cpu
    return {"cpu": cpu / CLAIMS * 1000, "wall": statistics.median(walls) * 1000}


def main() -> None:
    if sys.argv[1] == "--measure":
        print(json.dumps(measure(Path(sys.argv[2]))))
        return
    folders = [Path(name).resolve() for name in sys.argv[1:]]
    found: dict[Path, list[dict[str, float]]] = {folder: [] for folder in folders}
    for _ in range(TURNS):
        for folder in folders:
            command = [sys.executable, __file__, "--measure", str(folder)]
            done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder)
            found[folder].append(json.loads(done.stdout))
    for kind in ("cpu", "wall"):
        taken = {f: statistics.median(one[kind] for one in found[f]) for f in folders}
        for folder in folders:
            ratio = taken[folder] / taken[folders[-1]]
            print(f"{kind:5} {taken[folder]:7.1f} ms  {ratio:5.2f}  {folder}")


if __name__ == "__main__":
    main()
