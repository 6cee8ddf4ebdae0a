#!/usr/bin/env bash
# Tests that need no emulator, under each newer Python that this machine has, each in an environment of its own.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
source tests/bigquery/python_at_least.sh

for minor in 12 13 14; do
    python=$(python_at_least "3.$minor" "3.$((minor + 1))") || {
        echo "Python 3.$minor is NOT tested: this machine has none."
        continue
    }
    dir=.venvs/python-3.$minor
    bash tests/environment.sh "$python" "$dir" --no-deps \
        -r requirements.txt -r requirements-build.txt -r requirements-dev.txt
    bash tests/environment.sh "$python" "$dir" --no-deps --no-build-isolation -e .
    echo "Python 3.$minor:"
    "$dir/bin/python" -m pytest -n 2 --dist worksteal "$@"
    "$dir/bin/python" -m pytest tests/end_to_end/test_bare_dbt.py tests/package
done
