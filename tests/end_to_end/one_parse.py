"""The runner's dbt process, which parses the project once for each tenant: no test changes it here.

A parse that finds nothing changed is a third of a small job. That a change is found is what
programs of their own are started for, such as in test_parse.py and test_deployment.py.
"""

import gc
import os
from typing import Any

from runner.engine import worker

parse, parsed = worker._parse, {}
# Collecting during a job takes a sixth of its time.
COLLECTED_AFTER = 25
jobs = 0


def parse_once(job: dict[str, Any]) -> Any:
    """What dbt parsed for the tenant when it was first asked."""
    global jobs
    jobs += 1
    if jobs % COLLECTED_AFTER == 0:
        gc.collect()
    place = job["project_dir"], job["target_path"]
    if place not in parsed or not parsed[place].success:
        parsed[place] = parse(job)
        gc.freeze()  # it is kept: no collection need go through it
    os.environ["WAREHOUSE_DIR"] = job["environ"]["WAREHOUSE_DIR"]
    return parsed[place]


worker._parse = parse_once
worker._begin_to_collect = lambda: None  # it is disabled since the import of dbt

if __name__ == "__main__":
    worker.main()
