#!/usr/bin/env bash
# setup_validator.sh DIR: makes the virtual environment of the FOCUS validator in DIR, once.
# Exits 0 when DIR is ready, 3 when there is no Python 3.12 to make it with: the validator wants
# that or newer, and numpy below 2, which nothing newer has wheels of.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/../bigquery/python_at_least.sh"

dir=${1:?usage: setup_validator.sh DIR}
stamp=$(cat "$here/requirements-validator.txt" "$here/setup_validator.sh" | sha256sum)
if [ "$(cat "$dir/.ready" 2>/dev/null)" = "$stamp" ]; then exit 0; fi

python=$(python_at_least 3.12 3.13) || exit 3
# Anything in DIR is an environment of ours that is out of date, or it is not ours to delete.
if [ -e "$dir" ] && [ ! -e "$dir/pyvenv.cfg" ]; then echo "$dir is in the way" >&2; exit 1; fi
rm -rf "$dir"
bash "$here/../environment.sh" "$python" "$dir" --no-deps \
    -r "$here/requirements-validator.txt"
echo "$stamp" >"$dir/.ready"
